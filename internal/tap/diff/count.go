package diff

import (
	"cmp"
	"slices"
	"strings"

	"lodge/internal/decode"
)

// counted returns how often a group is in both runs, where that differs.
func (c *comparison) counted(m *match, g *group, caused [bothSides]map[*group]map[*group]int) []Finding {
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
	left := m.alone(g, side)
	for _, i := range left {
		it := &m.runs[side].items[i]
		if side == sideB {
			f.NumbersB = addNumber(f.NumbersB, it)
		} else {
			f.NumbersA = addNumber(f.NumbersA, it)
		}
		if side == sideB && (it.c.failure != "" || it.c.x.Failed) {
			if f.Changed++; f.Changed == 1 {
				f.Kind, f.Part = KindError, PartStatus
				f.B = clip(cmp.Or(it.c.x.Status, string(it.c.failure)))
			}
		}
	}
	f.Within = m.within(g, side, left)
	if w := f.Within; w != nil {
		f.Repeated = w.PerB >= repeatedFewest && w.PerB >= repeatedFactor*max(w.PerA, 1)
	}
	for other, n := range caused[side][g] {
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
	method := strings.ToLower(x.Method)
	few := max(a, b)-min(a, b) < connectionFewest || max(a, b) < connectionFactor*min(a, b)
	switch {
	case g.content.failure != "":
		return few && a > 0 && b > 0
	case x.Kind == decode.KindSession, setUp[x.Protocol][method]:
		return few && !x.Failed
	case perConnection[x.Protocol][method]:
		return few && a > 0 && b > 0
	}
	return false
}

// What depends on the number of connections is told from so many more on, and so many
// times.
const (
	connectionFewest = 4
	connectionFactor = 2
)

// alone returns what is left of a group on a side and was not caused by what is left too.
func (m *match) alone(g *group, side int) (out []int32) {
	for _, i := range g.left[side] {
		if !m.orphaned(side, i) && !m.runs[side].items[i].openAtClose {
			out = append(out, i)
		}
	}
	return out
}

// caused returns, for each group of which items are left on a side, how many items of
// which groups these caused.
func (m *match) caused(side int) map[*group]map[*group]int {
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

// within returns which kind of request causes what is left of a group on a side; nil where
// that is not known of most of it.
func (m *match) within(g *group, side int, left []int32) *Within {
	items := m.runs[side].items
	excess := make(map[int32]int) // by parent
	by := make(map[*group]int)
	var of *group
	for _, i := range left {
		p := items[i].parent
		if p < 0 {
			continue
		}
		excess[p]++
		parent := items[p].c.group
		by[parent]++
		if of == nil || by[parent] > by[of] || by[parent] == by[of] && parent.key < of.key {
			of = parent
		}
	}
	if of == nil || 2*by[of] < len(left) {
		return nil
	}
	count := func(side int) map[int32]int {
		n := make(map[int32]int)
		for _, i := range g.items[side] {
			n[m.runs[side].items[i].parent]++
		}
		return n
	}
	per := [bothSides]map[int32]int{count(sideA), count(sideB)}
	w := &Within{Group: of.describe()}
	most := int32(-1)
	for p := range excess {
		if items[p].c.group != of {
			continue
		}
		w.Requests++
		if most < 0 || excess[p] > excess[most] || excess[p] == excess[most] && p < most {
			most = p
		}
	}
	n := [bothSides]int{}
	n[side] = per[side][most]
	if q := m.partner[side][most]; q >= 0 {
		n[1-side] = per[1-side][q]
	}
	w.PerA, w.PerB = n[sideA], n[sideB]
	return w
}
