// Package recent has a map that keeps what was set last: prepared statements,
// cursors and whatever else a peer may name without end. It does nothing else.
package recent

import "lodge/internal/decode"

// Map holds values by their keys, within a number and a weight; the oldest are
// forgotten first. Use [New].
type Map[K comparable, V any] struct {
	limit         int
	heavy, weight int64
	items         decode.Pending[K, item[V]]
}

type item[V any] struct {
	value  V
	weight int64
}

// New returns an empty map of at most limit values that weigh at most heavy
// together. One value is always kept, whatever it weighs.
func New[K comparable, V any](limit int, heavy int64) *Map[K, V] {
	return &Map[K, V]{limit: max(limit, 1), heavy: heavy}
}

// Get returns the value of a key, and whether there is one.
func (m *Map[K, V]) Get(key K) (V, bool) {
	it, ok := m.items.Get(key)
	return it.value, ok
}

// Set sets the value of a key, which makes it the newest.
func (m *Map[K, V]) Set(key K, value V, weight int64) {
	old, _ := m.items.Put(key, item[V]{value, weight})
	m.weight += weight - old.weight
	for m.items.Len() > 1 && (m.items.Len() > m.limit || m.weight > m.heavy) {
		oldest, _ := m.items.TakeOldest()
		m.weight -= oldest.weight
	}
}

// Delete forgets a key.
func (m *Map[K, V]) Delete(key K) {
	old, _ := m.items.Take(key)
	m.weight -= old.weight
}

// Clear forgets all keys.
func (m *Map[K, V]) Clear() { m.items, m.weight = decode.Pending[K, item[V]]{}, 0 }

// Len is the number of values.
func (m *Map[K, V]) Len() int { return m.items.Len() }
