package decode

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPending compares Pending with a slice of pairs.
func TestPending(t *testing.T) {
	type pair struct{ k, v int }
	var p Pending[int, int]
	var want []pair
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 10000 {
		k := rnd.IntN(20)
		at := slices.IndexFunc(want, func(x pair) bool { return x.k == k })
		had := pair{k: k}
		if at >= 0 {
			had = want[at]
		}
		switch rnd.IntN(5) {
		case 0, 1:
			v, ok := p.Put(k, i)
			if ok != (at >= 0) || v != had.v {
				t.Fatalf("step %d: Put returned %d %v, want %v", i, v, ok, had)
			}
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
			want = append(want, pair{k, i})
		case 2:
			if v, ok := p.Get(k); ok != (at >= 0) || v != had.v {
				t.Fatalf("step %d: Get returned %d %v, want %v", i, v, ok, had)
			}
		case 3:
			if v, ok := p.Take(k); ok != (at >= 0) || v != had.v {
				t.Fatalf("step %d: Take returned %d %v, want %v", i, v, ok, had)
			}
			if at >= 0 {
				want = slices.Delete(want, at, at+1)
			}
		case 4:
			if len(want) == 0 {
				break
			}
			if k, v, ok := p.Oldest(); !ok || k != want[0].k || v != want[0].v {
				t.Fatalf("step %d: Oldest returned %d %d, want %v", i, k, v, want[0])
			}
			if v, ok := p.TakeOldest(); !ok || v != want[0].v {
				t.Fatalf("step %d: TakeOldest returned %d, want %v", i, v, want[0])
			}
			want = want[1:]
		}
		if p.Len() != len(want) {
			t.Fatalf("step %d: %d wait, want %d", i, p.Len(), len(want))
		}
	}
	for p.Len() > 0 {
		p.TakeOldest()
	}
	if _, _, ok := p.Oldest(); ok {
		t.Error("an empty Pending has an oldest")
	}
	if _, ok := p.TakeOldest(); ok {
		t.Error("an empty Pending has an oldest to take")
	}
}
