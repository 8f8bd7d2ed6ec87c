package main

import (
	"fmt"
	"math"

	"lodge/bench/internal/rounds"
)

// level is what counts as level: two runs of one program differ by as much.
const level = 0.98

// maxIdle is how much 10,000 idle WebSockets may take.
const maxIdle = 60 << 20

// hold looks at what was measured and says what holds.
func (b *bench) hold() {
	r := &b.out
	for i := range r.HTTP1 {
		r.holdHTTP1(&r.HTTP1[i])
	}
	for i := range r.HTTP2 {
		t := &r.HTTP2[i]
		for _, name := range []string{lodgeName, upName} {
			for _, peer := range []string{caddyName, reverseName} {
				if row, other := t.find(name), t.find(peer); row != nil && other != nil {
					s := row.to(other, perSecond)
					r.add(fmt.Sprintf("%s, %s: ahead of %s", name, t.Cell, peer), rounds.Ratio(s), rounds.Within(s, 1, math.Inf(1)))
				}
			}
		}
	}
	if r.Page != nil {
		for _, row := range r.Page.Rows {
			if row.held {
				r.add(fmt.Sprintf("%s, page of %s, %s: at most 1.15 of direct", row.Name, row.Server, row.How), rounds.Ratio(row.Ratio), rounds.Within(row.Ratio, 0, 1.15))
			}
		}
	}
	if r.TCP != nil {
		for _, row := range r.TCP.Rows {
			for _, place := range r.TCP.Places {
				if s, ok := row.Ratios[place]; ok && place != againName {
					r.add(fmt.Sprintf("%s, %s: at most 1.05 of plain loopback", place, row.Cell), rounds.Ratio(s), rounds.Within(s, 0, 1.05))
				}
			}
		}
	}
	if t := r.WebSockets; t != nil {
		for _, row := range t.Rows {
			if row.Name != lodgeName && row.Name != upName {
				continue
			}
			v := rounds.No
			if row.Idle.PSS > 0 && row.Idle.PSS < maxIdle {
				v = rounds.Yes
			}
			r.add(fmt.Sprintf("%s, %d idle WebSockets over %s: under 60 MiB", row.Name, t.Sockets, row.Scheme), rounds.MiB(row.Idle.PSS)+" MiB", v)
		}
	}
}

func (r *report) holdHTTP1(t *loadTable) {
	for _, name := range []string{lodgeName, upName} {
		row := t.find(name)
		if row == nil {
			continue
		}
		if slower := t.worse(perSecond, false, nginxName, haproxyName); slower != nil {
			s := row.to(slower, perSecond)
			r.add(fmt.Sprintf("%s, %s: level with %s, the slower", name, t.Cell, slower.Name), rounds.Ratio(s), rounds.Within(s, level, math.Inf(1)))
		}
		if t.Conns == 64 {
			if later := t.worse(p99, true, nginxName, haproxyName); later != nil {
				s := row.to(later, p99)
				r.add(fmt.Sprintf("%s, %s: p99 no worse than that of %s, the worse", name, t.Cell, later.Name), rounds.Ratio(s), rounds.Within(s, 0, 1/level))
			}
		}
		if t.Conns != 64 || t.Bytes != 100 {
			continue
		}
		for peer, least := range map[string]float64{caddyName: 3, portlessName: 4} {
			if other := t.find(peer); other != nil {
				s := row.to(other, perSecond)
				r.add(fmt.Sprintf("%s, %s: at least %.0f times %s", name, t.Cell, least, peer), rounds.Ratio(s), rounds.Within(s, least, math.Inf(1)))
			}
		}
	}
}

// worse returns the row of those named whose median is the smallest, or with
// more the largest.
func (t *loadTable) worse(f func(load) float64, more bool, names ...string) *loadRow {
	var found *loadRow
	worst := 0.0
	for _, n := range names {
		row := t.find(n)
		if row == nil {
			continue
		}
		m := rounds.SpreadOf(row.of(f)).Median
		if found == nil || more && m > worst || !more && m < worst {
			found, worst = row, m
		}
	}
	return found
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, rounds.Held{What: what, Found: found, Verdict: verdict})
}
