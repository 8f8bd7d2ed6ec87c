package main

import (
	"math"
	"testing"
)

func TestGrows(t *testing.T) {
	steady := func(i int) float64 { return 20 + float64(i%2) }
	rising := func(i int) float64 { return 20 + float64(i)/4 }
	for _, c := range []struct {
		name string
		f    func(int) float64
		want bool
	}{{"steady", steady, false}, {"rising", rising, true}} {
		var v []float64
		for i := range 100 {
			v = append(v, c.f(i))
		}
		if got := growthOf("x", v, slackOfCount); got.Grows != c.want {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
	if g := growthOf("x", nil, slackOfCount); g.Grows || !math.IsNaN(g.First) && g.First != 0 {
		t.Errorf("nothing sampled: got %+v", g)
	}
}
