package main

import (
	"fmt"
	"strings"

	"lodge/bench/internal/rounds"
)

// hold looks at what was measured and says what holds.
func (b *bench) hold() {
	r := &b.out
	if r.Path != nil {
		r.holdPath()
	}
	if r.Start != nil {
		for _, a := range r.Start.Ahead {
			r.add(fmt.Sprintf("%s ahead of %s, %d services", a.Lodge, a.Peer, a.Services), rounds.Ratio(a.Ratio), rounds.Within(a.Ratio, 0, 1))
		}
	}
	if r.Memory != nil {
		for _, m := range r.Memory.Rows {
			if m.Services != 10 {
				continue
			}
			v := rounds.Yes
			if m.DaemonPSS >= 40<<20 {
				v = rounds.No
			}
			r.add("daemon under 40 MiB: "+m.What, rounds.MiB(m.DaemonPSS)+" MiB", v)
		}
	}
	if r.Soak != nil {
		var grown []string
		for _, g := range r.Soak.Rows {
			if g.Grows {
				grown = append(grown, g.What)
			}
		}
		r.list("nothing grows", grown)
		r.list("nothing is left over", r.Soak.LeftOver)
	}
}

func (r *report) holdPath() {
	for _, row := range r.Path.Rows {
		lo, hi, words := 0.98, 1.02, "0.98 to 1.02"
		if strings.HasPrefix(row.Cell, "connect") {
			lo, hi, words = 0, 1.05, "at most 1.05"
		}
		for _, p := range []string{ebpfName, seccompName} {
			s, ok := row.Ratios[p]
			if !ok {
				continue
			}
			if lo == 0 && p == seccompName {
				continue // every connect is a trip to the keeper: stated, not held
			}
			r.add(fmt.Sprintf("%s, %s: %s", p, row.Cell, words), rounds.Ratio(s), rounds.Within(s, lo, hi))
		}
		if row.Lodge != nil {
			r.add(fmt.Sprintf("%s to %s, %s: %s", ebpfName, groupsName, row.Cell, words), rounds.Ratio(*row.Lodge), rounds.Within(*row.Lodge, lo, hi))
		}
	}
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, rounds.Held{What: what, Found: found, Verdict: verdict})
}

func (r *report) list(what string, bad []string) {
	if len(bad) == 0 {
		r.add(what, "nothing", rounds.Yes)
		return
	}
	r.add(what, strings.Join(bad, "; "), rounds.No)
}
