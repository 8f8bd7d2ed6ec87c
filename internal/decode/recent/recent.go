// Package recent has a map that keeps what was set last: prepared statements,
// cursors and whatever else a peer may name without end. It does nothing else.
package recent

// Map holds values by their keys, within a number and a weight; the oldest are
// forgotten first. Use [New].
type Map[K comparable, V any] struct {
	limit  int
	heavy  int64
	weight int64
	items  map[K]item[V]
	order  []turn[K] // by age; those that are not current in items count for nothing
	clock  uint64
}

type item[V any] struct {
	value  V
	weight int64
	set    uint64
}

type turn[K comparable] struct {
	key K
	set uint64
}

// New returns an empty map of at most limit values that weigh at most heavy
// together. One value is always kept, whatever it weighs.
func New[K comparable, V any](limit int, heavy int64) *Map[K, V] {
	return &Map[K, V]{limit: max(limit, 1), heavy: heavy, items: map[K]item[V]{}}
}

// Get returns the value of a key, and whether there is one.
func (m *Map[K, V]) Get(key K) (V, bool) {
	it, ok := m.items[key]
	return it.value, ok
}

// Set sets the value of a key, which makes it the newest.
func (m *Map[K, V]) Set(key K, value V, weight int64) {
	m.Delete(key)
	m.clock++
	m.items[key] = item[V]{value, weight, m.clock}
	m.weight += weight
	m.order = append(m.order, turn[K]{key, m.clock})
	for len(m.items) > 1 && (len(m.items) > m.limit || m.weight > m.heavy) {
		oldest := m.order[0]
		m.order = m.order[1:]
		if m.items[oldest.key].set == oldest.set {
			m.Delete(oldest.key)
		}
	}
	if len(m.order) > 2*len(m.items)+64 {
		kept := make([]turn[K], 0, len(m.items))
		for _, t := range m.order {
			if m.items[t.key].set == t.set {
				kept = append(kept, t)
			}
		}
		m.order = kept
	}
}

// Delete forgets a key.
func (m *Map[K, V]) Delete(key K) {
	if it, ok := m.items[key]; ok {
		m.weight -= it.weight
		delete(m.items, key)
	}
}

// Clear forgets all keys.
func (m *Map[K, V]) Clear() {
	clear(m.items)
	m.order, m.weight = nil, 0
}

// Len is the number of values.
func (m *Map[K, V]) Len() int { return len(m.items) }
