package main

import (
	"fmt"

	"lodge/bench/internal/rounds"
)

// maxMemory is how much `lodge ports` may have in memory at once.
const maxMemory = 150 << 20

// hold looks at what was measured and says what holds.
func (b *bench) hold() {
	r := &b.out
	for i := range r.Sizes {
		t := &r.Sizes[i]
		for _, name := range []string{lodgeText, lodgeJSON} {
			if row := t.find(name); row != nil {
				r.holdPeers(t, row)
			}
		}
		for _, name := range []string{liveText, liveJSON} {
			if row := t.find(name); row != nil {
				what := fmt.Sprintf("%s, %d sockets: at most 1.5 of %s", name, t.Sockets, plainSS)
				r.add(what, rounds.Ratio(row.Wall), rounds.Within(row.Wall, 0, 1.5))
			}
		}
		if row := t.find(onePort); row != nil {
			for _, peer := range []string{ssPort, lsofPort} {
				if s, ok := row.To[peer]; ok {
					r.add(fmt.Sprintf("%s, %d sockets: not slower than %s", onePort, t.Sockets, peer), rounds.Ratio(s), rounds.Within(s, 0, 1))
				}
			}
		}
		for _, row := range t.Rows {
			if row.Lodge && row.Right >= 0 {
				v := rounds.No
				if row.Right == 1 {
					v = rounds.Yes
				}
				r.add(fmt.Sprintf("%s, %d sockets: all with their process", row.Name, t.Sockets), share(row.Right), v)
			}
			if row.Lodge && t.Sockets >= 100000 {
				v := rounds.No
				if row.Memory > 0 && row.Memory < maxMemory {
					v = rounds.Yes
				}
				r.add(fmt.Sprintf("%s, %d sockets: under 150 MiB", row.Name, t.Sockets), rounds.MiB(row.Memory)+" MiB", v)
			}
		}
	}
	r.holdGrowth()
	r.holdExplain()
	if t := r.Top; t != nil && t.Missing == "" {
		v := rounds.No
		if t.CPU < 0.01 {
			v = rounds.Yes
		}
		r.add(fmt.Sprintf("lodge top, %d sockets: under 1 %% of a processor", t.Sockets), fmt.Sprintf("%.2f %%", t.CPU*100), v)
	}
}

// holdPeers holds a one-shot row against the peers.
func (r *report) holdPeers(t *sizeTable, row *row) {
	most := 1.0
	switch {
	case t.Sockets >= 100000:
		most = 1.0 / 15
	case t.Sockets >= 10000:
		most = 1 / 1.5
	}
	if s, ok := row.To[ssp]; ok {
		r.add(fmt.Sprintf("%s, %d sockets: at most %.3f of %s", row.Name, t.Sockets, most, ssp), rounds.Ratio(s), rounds.Within(s, 0, most))
	}
	if s, ok := row.To[lsof]; ok {
		r.add(fmt.Sprintf("%s, %d sockets: at most 0.333 of %s", row.Name, t.Sockets, lsof), rounds.Ratio(s), rounds.Within(s, 0, 1.0/3))
	}
}

// holdGrowth reports whether twenty times the sockets take twenty times as long:
// what a socket takes must not grow with their number.
func (r *report) holdGrowth() {
	for i := 1; i < len(r.Sizes); i++ {
		a, b := &r.Sizes[i-1], &r.Sizes[i]
		if a.Sockets < 1000 {
			continue // the start of a process is most of it
		}
		for _, name := range []string{lodgeText, lodgeJSON, liveText, liveJSON} {
			x, y := a.find(name), b.find(name)
			if x == nil || y == nil {
				continue
			}
			grown := y.MS / float64(b.Sockets) / (x.MS / float64(a.Sockets))
			v := rounds.No
			if grown <= 1.25 {
				v = rounds.Yes
			}
			r.add(fmt.Sprintf("%s: a socket takes no longer among %d than among %d", name, b.Sockets, a.Sockets), fmt.Sprintf("%.2f", grown), v)
		}
	}
}

func (r *report) holdExplain() {
	var first, last *row
	sockets := 0
	for i := range r.Sizes {
		row := r.Sizes[i].find(explained)
		if row == nil {
			continue
		}
		if first == nil {
			first = row
		}
		last, sockets = row, r.Sizes[i].Sockets
		if n := r.Sizes[i].Sockets; n >= 10000 {
			r.add(fmt.Sprintf("%s, %d sockets: within the time of %s", explained, n, plainSS), rounds.Ratio(row.Wall), rounds.Within(row.Wall, 0, 1))
		}
	}
	if first != nil && last != first {
		// It is told of 1,000 processes instead of 20, which it has to look at.
		r.add(fmt.Sprintf("%s, %d sockets to the fewest", explained, sockets), fmt.Sprintf("%.2f", last.MS/first.MS), "stated")
	}
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, rounds.Held{What: what, Found: found, Verdict: verdict})
}
