package main

import (
	"fmt"
	"math"
	"strings"
)

// verdicts.
const (
	yes        = "yes"
	no         = "NO"
	cannotTell = "cannot tell"
)

// held is one thing that must hold, and whether it did in this run.
type held struct {
	What    string `json:"what"`
	Found   string `json:"found"`
	Verdict string `json:"verdict"`
}

// atLeast says whether a ratio is no less than lo. Where the range that surely
// has the true median reaches over the bound, a median below it tells nothing.
func atLeast(s spread, lo float64) string {
	switch {
	case s.Rounds == 0:
		return cannotTell
	case s.Median >= lo:
		return yes
	case s.High >= lo && s.Rounds > 1:
		return cannotTell
	}
	return no
}

func (r *report) add(what, found, verdict string) {
	r.Holds = append(r.Holds, held{what, found, verdict})
}

// hold looks at what was measured and says what holds.
func (r *report) hold() {
	for _, t := range r.Load {
		for _, row := range t.Rows {
			if t.Base == direct {
				r.holdLoad(row)
			} else {
				r.holdH2(row)
			}
		}
	}
	if t := r.Page; t != nil {
		for _, n := range t.Names {
			if s := t.Ratios[n]; strings.HasPrefix(n, lodgeName) {
				v := atLeast(inverse(s), 1/1.15)
				r.add("a cold page through "+n+": at most 1.15 times direct", ratio(s), v)
			}
		}
	}
	if t := r.Sockets; t != nil {
		for _, row := range t.Rows {
			if !strings.HasPrefix(row.Name, lodgeName) {
				continue
			}
			v := yes
			if row.Later >= 60<<20 {
				v = no
			}
			if t.Sockets < 10000 {
				v = cannotTell
			}
			r.add(fmt.Sprintf("%s: under 60 MiB with 10000 idle WebSockets", row.Name), mib(row.Later)+" MiB", v)
		}
	}
}

// inverse of a ratio.
func inverse(s spread) spread {
	return spread{Median: 1 / s.Median, P25: 1 / s.P75, P75: 1 / s.P25, Low: 1 / s.High, High: 1 / s.Low, Rounds: s.Rounds}
}

func (r *report) holdLoad(row loadRow) {
	lodge := column(row.got[lodgeName], rate)
	// The slower of nginx and haproxy in each round; of one, if only one is here.
	var slower []float64
	for _, n := range []string{nginxName, haproxyName} {
		for i, v := range column(row.got[n], rate) {
			if i < len(slower) {
				slower[i] = math.Min(slower[i], v)
			} else {
				slower = append(slower, v)
			}
		}
	}
	s := spreadOf(ratios(lodge, slower))
	r.add(row.Cell+": level with the slower of nginx and haproxy", ratio(s), atLeast(s, 1))
	if !strings.Contains(row.Cell, "64 conn, 100 B") {
		return
	}
	for _, p := range []struct {
		name  string
		times float64
	}{{caddyName, 3}, {portlessName, 4}} {
		if row.By[p.name] == nil {
			continue
		}
		s := spreadOf(ratios(lodge, column(row.got[p.name], rate)))
		r.add(fmt.Sprintf("%s: %.0f times %s", row.Cell, p.times, p.name), ratio(s), atLeast(s, p.times))
		s = row.By[p.name].P99
		r.add(fmt.Sprintf("%s: p99 no worse than %s's", row.Cell, p.name), ratio(s), atLeast(s, 1))
	}
}

func (r *report) holdH2(row loadRow) {
	for _, n := range []string{caddyName, reverseName} {
		if row.By[n] == nil {
			continue
		}
		s := spreadOf(ratios(column(row.got[lodgeName], rate), column(row.got[n], rate)))
		r.add(row.Cell+": ahead of "+n, ratio(s), atLeast(s, 1))
	}
}
