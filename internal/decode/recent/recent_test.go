package recent

import "testing"

func TestMap(t *testing.T) {
	m := New[string, int](3, 100)
	for i, k := range []string{"a", "b", "c", "a", "d"} {
		m.Set(k, i, 10)
	}
	if _, ok := m.Get("b"); ok || m.Len() != 3 {
		t.Errorf("b is the oldest and must be gone; %d values", m.Len())
	}
	if v, ok := m.Get("a"); !ok || v != 3 {
		t.Errorf("a = %d, %v", v, ok)
	}
	m.Set("heavy", 9, 95)
	if _, ok := m.Get("heavy"); !ok || m.Len() != 1 {
		t.Errorf("only the heavy value fits; %d values", m.Len())
	}
	m.Delete("heavy")
	m.Delete("heavy")
	m.Set("x", 1, 1)
	m.Clear()
	if m.Len() != 0 || m.weight != 0 {
		t.Errorf("%d values of weight %d after Clear", m.Len(), m.weight)
	}
	m.Set("zero", 0, 1000)
	if m.Len() != 1 {
		t.Error("a single value is kept whatever it weighs")
	}
}
