package table

import (
	"net/netip"
	"testing"
)

func TestGenerations(t *testing.T) {
	var r generations[netip.AddrPort]
	keep := Loopback6(1)
	r.put(0, keep)
	for i := uint64(1); i < 10*recentMax; i++ {
		r.put(i, Loopback6(2))
		if i%1000 == 0 {
			if a, ok := r.get(0); !ok || a != keep {
				t.Fatal("what is asked for was forgotten")
			}
		}
	}
	if n := len(r.young) + len(r.old); n > 2*recentMax {
		t.Errorf("%d entries", n)
	}
	if _, ok := r.get(1); ok {
		t.Error("what was not asked for is still there")
	}
}
