package decode

// Pending holds what waits for an answer, by a key such as the number of a
// request, in the order in which it began to wait. The zero Pending is empty and
// ready.
type Pending[K comparable, V any] struct {
	of          map[K]*waiter[K, V]
	first, last *waiter[K, V]
}

type waiter[K comparable, V any] struct {
	key        K
	value      V
	prev, next *waiter[K, V]
}

// Len returns how many wait.
func (p *Pending[K, V]) Len() int { return len(p.of) }

// Put adds a value as the newest. The value that had the key is returned, and
// waits no more.
func (p *Pending[K, V]) Put(k K, v V) (old V, had bool) {
	old, had = p.Take(k)
	if p.of == nil {
		p.of = map[K]*waiter[K, V]{}
	}
	w := &waiter[K, V]{key: k, value: v, prev: p.last}
	if p.last == nil {
		p.first = w
	} else {
		p.last.next = w
	}
	p.last, p.of[k] = w, w
	return old, had
}

// Get returns the value of a key, which goes on waiting.
func (p *Pending[K, V]) Get(k K) (v V, ok bool) {
	if w := p.of[k]; w != nil {
		return w.value, true
	}
	return v, false
}

// Take removes a key and returns its value.
func (p *Pending[K, V]) Take(k K) (v V, ok bool) {
	w := p.of[k]
	if w == nil {
		return v, false
	}
	delete(p.of, k)
	if w.prev == nil {
		p.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		p.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	return w.value, true
}

// Oldest returns what waits longest.
func (p *Pending[K, V]) Oldest() (k K, v V, ok bool) {
	if p.first == nil {
		return k, v, false
	}
	return p.first.key, p.first.value, true
}

// TakeOldest removes what waits longest.
func (p *Pending[K, V]) TakeOldest() (v V, ok bool) {
	if p.first == nil {
		return v, false
	}
	return p.Take(p.first.key)
}
