package diff

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"lodge/internal/decode"
)

// counted returns how often a group is in both runs, where that differs.
func (c *comparison) counted(m *match, g *group, because [bothSides]map[*group]map[*group]int) []Finding {
	a, b := m.count(g, sideA), m.count(g, sideB)
	if a == b || c.expected(g, a, b) {
		return nil
	}
	f := Finding{Kind: KindCount, Group: g.describe(), CountA: a, CountB: b}
	side := sideA
	switch {
	case a == 0:
		f.Kind, side = KindAdded, sideB
	case b == 0:
		f.Kind = KindMissing
	case b > a:
		side = sideB
	}
	left := alone(m, g, side)
	if w, parent := within(m, g, side, len(left)); w != nil {
		f.Within = w
		f.Repeated = w.PerB >= repeatedFewest && w.PerB >= repeatedFactor*max(w.PerA, 1)
		left = slices.DeleteFunc(slices.Clone(g.items[side]), func(i int32) bool { return m.runs[side].items[i].parent != parent })
	}
	for _, i := range left {
		it := &m.runs[side].items[i]
		if side == sideB {
			f.NumbersB = addNumber(f.NumbersB, it)
		} else {
			f.NumbersA = addNumber(f.NumbersA, it)
		}
	}
	if side == sideB {
		for _, i := range alone(m, g, side) {
			if c := m.runs[side].items[i].c; c.failure != "" || c.x.Failed {
				if f.Changed++; f.Changed == 1 {
					f.Kind, f.Part, f.B = KindError, PartStatus, clip(cmp.Or(c.x.Status, string(c.failure)))
				}
			}
		}
	}
	for other, n := range because[side][g] {
		f.With = append(f.With, Caused{other.describe(), n})
	}
	slices.SortFunc(f.With, func(x, y Caused) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Server, y.Server), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Method, y.Method), cmp.Compare(x.Protocol, y.Protocol))
	})
	return []Finding{f}
}

// What one request causes is repeated from so many on, and so many times what it is in the
// other recording.
const (
	repeatedFewest = 5
	repeatedFactor = 4
)

// expected reports whether counts may differ so between two runs of one side: by what was
// learned, or because the group depends on the number of connections.
func (c *comparison) expected(g *group, a, b int) bool {
	if n, ok := c.marks.counts[g.key]; ok && n.most > n.least {
		d := n.most - n.least
		return b >= n.least-d && b <= n.most+d
	}
	x := &g.content.x
	method := x.Protocol + " " + strings.ToLower(x.Method)
	few := max(a, b)-min(a, b) < connectionFewest || max(a, b) < connectionFactor*min(a, b)
	older := c.a.older() // connections whose begin the recording that has less did not see
	if b < a {
		older = c.b.older()
	}
	switch {
	case g.content.failure != "":
		return few && a > 0 && b > 0
	case x.Kind == decode.KindSession:
		return (few || max(a, b)-min(a, b) <= older) && !x.Failed
	case in(setUp[:], method):
		return (few || older > 0) && !x.Failed
	case in(perConnection[:], method):
		return few && a > 0 && b > 0 || older > 0
	}
	return false
}

// older returns how many connections are older than the recording, as far as it says so.
func (r *Run) older() int {
	if r.account == nil {
		return 0
	}
	return int(min(r.account.Streams.Midstream, 1<<30))
}

// What depends on the number of connections is told from so many more on, and so many
// times.
const (
	connectionFewest = 4
	connectionFactor = 2
)

// alone returns what is left of a group on a side and was not caused by what is left too.
func alone(m *match, g *group, side int) (out []int32) {
	for _, i := range g.left[side] {
		if !m.orphaned(side, i) && !m.runs[side].items[i].openAtClose {
			out = append(out, i)
		}
	}
	return out
}

// caused returns, for each group of which items are left on a side, how many items of
// which groups these caused.
func caused(m *match, side int) map[*group]map[*group]int {
	out := make(map[*group]map[*group]int)
	items := m.runs[side].items
	root := make([]int32, len(items)) // of what is left: the first of its ancestors that is
	for i := range items {
		root[i] = int32(i)
		if m.partner[side][i] != noPartner || !m.orphaned(side, int32(i)) {
			continue
		}
		root[i] = root[items[i].parent] // parents begin earlier
		of := items[root[i]].c.group
		if out[of] == nil {
			out[of] = make(map[*group]int)
		}
		out[of][items[i].c.group]++
	}
	return out
}

// within returns which kind of request causes what is there more often on a side, and the
// parent where that is the most; nil where it is not known of most of it.
func within(m *match, g *group, side, more int) (w *Within, most int32) {
	items := m.runs[side].items
	var per [bothSides]map[int32]int // how many items of the group each parent has
	for s := range per {
		per[s] = make(map[int32]int)
		for _, i := range g.items[s] {
			if m.ignored[s][i] {
				continue
			}
			per[s][m.runs[s].items[i].parent]++
		}
	}
	other := func(p int32) int {
		if q := m.partner[side][p]; q >= 0 {
			return per[1-side][q]
		}
		return 0
	}
	by := make(map[*group]int)
	var of *group
	parents := slices.Sorted(maps.Keys(per[side]))
	for _, p := range parents {
		if p < 0 || m.partner[side][p] == noPartner || m.ignored[side][p] {
			continue
		}
		if e := per[side][p] - other(p); e > 0 {
			parent := items[p].c.group
			by[parent] += e
			if of == nil || by[parent] > by[of] {
				of = parent
			}
		}
	}
	if of == nil || 2*by[of] < more {
		return nil, 0
	}
	w = &Within{Group: of.describe()}
	best := 0
	for _, p := range parents {
		if p < 0 || items[p].c.group != of || m.partner[side][p] == noPartner || m.ignored[side][p] {
			continue
		}
		if e := per[side][p] - other(p); e > 0 {
			w.Requests++
			if e > best {
				best, most = e, p
			}
		}
	}
	n := [bothSides]int{}
	n[side], n[1-side] = per[side][most], other(most)
	w.PerA, w.PerB = n[sideA], n[sideB]
	return w, most
}
