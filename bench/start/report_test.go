package main

import (
	"bytes"
	"strings"
	"testing"

	"lodge/bench/internal/rounds"
)

func TestHolds(t *testing.T) {
	at := func(v float64) rounds.Spread { return rounds.SpreadOf([]float64{v, v, v, v, v, v}) }
	good := report{Rows: []row{{Name: lodgeVersion, ToHello: at(1.2)}, {Name: lodgePorts, ToSS: at(0.9)}}, Programs: []program{{"lodge-helper", 8 << 20}}}
	bad := report{Rows: []row{{Name: lodgeVersion, ToHello: at(1.4)}, {Name: lodgePorts, ToSS: at(1.1)}}, Programs: []program{{"lodge-helper", 11 << 20}}, Memory: []program{{"keeper", 0}}}
	for _, c := range []struct {
		r    *report
		want string
	}{{&good, rounds.Yes}, {&bad, rounds.No}} {
		c.r.hold()
		if len(c.r.Holds) != 3 {
			t.Errorf("%d are held", len(c.r.Holds))
		}
		for _, h := range c.r.Holds {
			if h.Verdict != c.want {
				t.Errorf("%s: %s, %s", h.What, h.Found, h.Verdict)
			}
		}
	}
	var out bytes.Buffer
	if err := bad.print(&out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "did not run") || !strings.Contains(out.String(), "11.0 MiB") {
		t.Error(out.String())
	}
}
