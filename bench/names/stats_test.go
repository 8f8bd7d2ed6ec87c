package main

import (
	"testing"
)

func TestSpreadOf(t *testing.T) {
	s := spreadOf([]float64{5, 1, 4, 2, 3})
	if s.Median != 3 || s.P25 != 2 || s.P75 != 4 || s.Low != 1 || s.High != 5 || s.Rounds != 5 {
		t.Errorf("got %+v", s)
	}
	if s := spreadOf(nil); s.Rounds != 0 {
		t.Errorf("nothing measured: got %+v", s)
	}
}

// The ranks are those of any table of the sign test at 95 %, counted from 0.
func TestSignRank(t *testing.T) {
	for n, want := range map[int]int{1: 0, 5: 0, 6: 0, 8: 0, 9: 1, 12: 2, 15: 3, 20: 5, 21: 5, 25: 7, 30: 9} {
		if got := signRank(n); got != want {
			t.Errorf("signRank(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestRatios(t *testing.T) {
	r := ratios([]float64{2, 3, 9}, []float64{1, 2})
	if len(r) != 2 || r[0] != 2 || r[1] != 1.5 {
		t.Errorf("got %v", r)
	}
	if r := ratios([]float64{1}, []float64{0}); len(r) != 0 {
		t.Errorf("divided by nothing: %v", r)
	}
}
