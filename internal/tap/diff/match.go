package diff

import (
	"cmp"
	"slices"

	"lodge/internal/decode"
	"lodge/internal/tap/diff/forms"
)

// The sides of a match.
const (
	sideA = iota
	sideB
	bothSides
)

// group are the exchanges of both sides that are the same but for what identifies one of
// many.
type group struct {
	key, prefix, text string
	server            *server
	content           *content // one of them
	items             [bothSides][]int32
	pairs             [][bothSides]int32
	left              [bothSides][]int32
}

// match is one comparison of two runs.
type match struct {
	runs    [bothSides]*Run
	masks   [bothSides]*forms.Masker
	marks   *marks
	groups  []*group // in the order in which they first come
	partner [bothSides][]int32
	ignored [bothSides][]bool // items that are not compared, as is not known what they are
	// causes has for each item a number for the groups of what it caused.
	causes [bothSides][]uint64
	// unread counts pairs of which one is not known, so that they are not compared.
	unread int
	budget int // of values compared to find which two are alike
	scores scores
}

// What is spent on finding which two are most alike: pairs of one bucket, and values
// compared in a match.
const (
	maxAlikeBucket = 64 * 64
	maxAlike       = 50_000_000
)

const noPartner = -1

// matchRuns pairs the items of two runs. round is another one for each match.
func matchRuns(a, b *Run, masks [bothSides]*forms.Masker, learned *marks, round int) *match {
	m := &match{runs: [bothSides]*Run{a, b}, masks: masks, marks: learned, budget: maxAlike}
	m.makeGroups(round)
	for side, r := range m.runs {
		m.partner[side] = make([]int32, len(r.items))
		m.ignored[side] = make([]bool, len(r.items))
		for i := range m.partner[side] {
			m.partner[side][i] = noPartner
		}
	}
	for side := range m.runs {
		m.signCaused(side)
	}
	for _, g := range m.groups {
		m.pairGroup(g)
	}
	m.pairUnknown()
	m.preferChildren()
	for _, g := range m.groups {
		m.collect(g)
	}
	return m
}

// seen is what a content's group and view were made with: they are made anew where it is
// something else.
type seen struct {
	mask         *forms.Masker
	rules, marks int // their versions
	prefix, text string
}

// makeGroups puts the items of both runs into groups, and looks at their contents.
func (m *match) makeGroups(round int) {
	byKey := make(map[string]*group)
	for side, r := range m.runs {
		for i := range r.items {
			c := r.items[i].c
			if c.round != round {
				now := seen{mask: m.masks[side], rules: m.marks.rules.version}
				if had := c.seen; had.mask == now.mask && had.rules == now.rules {
					now.prefix, now.text = had.prefix, had.text
				} else {
					now.prefix, now.text = m.groupKey(c, now.mask)
				}
				key := now.prefix + now.text
				g := byKey[key]
				if g == nil {
					g = &group{key: key, prefix: now.prefix, text: now.text, server: c.at.server, content: c}
					byKey[key] = g
					m.groups = append(m.groups, g)
				}
				c.round, c.group = round, g
				now.marks = m.marks.versions[key]
				if c.seen != now {
					c.view = (&viewer{mask: now.mask, marks: m.marks, group: key}).look(c)
					c.seen = now
				}
			}
			c.group.items[side] = append(c.group.items[side], int32(i))
		}
	}
}

// signCaused sets the numbers for what items caused: what an item caused begins after it.
func (m *match) signCaused(side int) {
	items := m.runs[side].items
	m.causes[side] = make([]uint64, len(items))
	for i := len(items) - 1; i >= 0; i-- {
		if p := items[i].parent; p >= 0 {
			m.causes[side][p] += mix(hashOf(items[i].c.group.key) ^ m.causes[side][i])
		}
	}
}

func (m *match) groupKey(c *content, mask *forms.Masker) (prefix, text string) {
	e := &c.x
	if c.failure != "" {
		return c.at.server.key + "\x00" + c.transport.String() + "\x00" + string(c.failure), ""
	}
	prefix = c.at.server.key + "\x00" + e.Protocol + "\x00" + string(e.Kind) + "\x00" + e.Method + "\x00"
	if e.Kind == decode.KindMessage {
		prefix += e.From.String()
	}
	prefix += "\x00"
	return prefix, m.marks.rules.apply(prefix, groupText(e, mask))
}

// levels are what must be equal for two items of a group to be paired, from all to
// nothing.
var levels = [][]int{
	{asked, sent, sentBody, status, details},
	{asked, sent, sentBody, details},
	{asked, sentBody, details},
	{asked, sentBody, status},
	{asked, sentBody},
	{asked, status},
	{asked},
	{sentBody, status},
	{status},
	{},
}

// pairGroup pairs the items of a group.
func (m *match) pairGroup(g *group) {
	// Of equal ones, those are pairs that caused the same.
	left := m.pairEnds(g.items)
	left = m.pairBy(left, func(side int, i int32) uint64 {
		return join(m.runs[side].items[i].c.view.all, m.causes[side][i])
	}, false)
	left = m.pairBy(left, func(side int, i int32) uint64 { return m.runs[side].items[i].c.view.all }, false)
	for _, parts := range levels {
		if len(left[sideA]) == 0 || len(left[sideB]) == 0 {
			return
		}
		left = m.pairBy(left, func(side int, i int32) uint64 {
			h := uint64(0)
			for _, p := range parts {
				h = join(h, m.runs[side].items[i].c.view.part[p])
			}
			return h
		}, true)
	}
}

// pairEnds pairs the equal items at the begin and at the end of both lists: so of many equal
// items the one is left in whose place another one is.
func (m *match) pairEnds(items [bothSides][]int32) [bothSides][]int32 {
	a, b := items[sideA], items[sideB]
	equal := func(i, j int32) bool {
		return m.causes[sideA][i] == m.causes[sideB][j] && m.runs[sideA].items[i].c.view.all == m.runs[sideB].items[j].c.view.all
	}
	for len(a) > 0 && len(b) > 0 && equal(a[0], b[0]) {
		m.pair(a[0], b[0])
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && equal(a[len(a)-1], b[len(b)-1]) {
		m.pair(a[len(a)-1], b[len(b)-1])
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return [bothSides][]int32{a, b}
}

// pairBy pairs items with equal keys, in their order, or where alike is set the most
// alike ones first, and returns those that are left.
func (m *match) pairBy(left [bothSides][]int32, key func(side int, i int32) uint64, alike bool) [bothSides][]int32 {
	type bucket [bothSides][]int32
	buckets := make(map[uint64]*bucket)
	var order []*bucket
	for side, list := range left {
		for _, i := range list {
			k := key(side, i)
			b := buckets[k]
			if b == nil {
				if side == sideB {
					continue // it has no counterpart
				}
				b = &bucket{}
				buckets[k] = b
				order = append(order, b)
			}
			b[side] = append(b[side], i)
		}
	}
	for _, b := range order {
		if n := len(b[sideA]) * len(b[sideB]); alike && n > 1 && n <= maxAlikeBucket && m.budget > 0 {
			m.budget -= n * (1 + len(m.runs[sideA].items[b[sideA][0]].c.view.leaves))
			m.pairAlike(b[sideA], b[sideB])
			continue
		}
		for k := range min(len(b[sideA]), len(b[sideB])) {
			m.pair(b[sideA][k], b[sideB][k])
		}
	}
	for side, list := range left {
		var rest []int32
		for _, i := range list {
			if m.partner[side][i] == noPartner {
				rest = append(rest, i)
			}
		}
		left[side] = rest
	}
	return left
}

func (m *match) pair(a, b int32) { m.partner[sideA][a], m.partner[sideB][b] = b, a }

// score is how alike two items are.
type score struct {
	a, b  int32
	order int // how far they are apart in their lists
	equal int
}

type scores []score

// pairAlike pairs the items of two lists, the most alike ones first.
func (m *match) pairAlike(a, b []int32) {
	m.scores = m.scores[:0]
	for i, p := range a {
		has := m.runs[sideA].items[p].c.view.leaves
		for j, q := range b {
			s := score{a: p, b: q, order: max(i-j, j-i), equal: common(has, m.runs[sideB].items[q].c.view.leaves)}
			m.scores = append(m.scores, s)
		}
	}
	slices.SortFunc(m.scores, func(s, t score) int {
		return cmp.Or(cmp.Compare(t.equal, s.equal), cmp.Compare(s.order, t.order), cmp.Compare(s.a, t.a), cmp.Compare(s.b, t.b))
	})
	for _, s := range m.scores {
		if m.partner[sideA][s.a] == noPartner && m.partner[sideB][s.b] == noPartner {
			m.pair(s.a, s.b)
		}
	}
}

// common returns how many numbers are in both of two sorted lists.
func common(a, b []uint64) (n int) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			a = a[1:]
		case a[0] > b[0]:
			b = b[1:]
		default:
			n++
			a, b = a[1:], b[1:]
		}
	}
	return n
}

// pairUnknown pairs what is left and not known enough to be in a group with what is left
// of the other side at the same server. They are not compared.
func (m *match) pairUnknown() {
	type place struct{ server, protocol string }
	known := [bothSides]map[place][]int32{{}, {}}
	unknown := [bothSides]map[place][]int32{{}, {}}
	for _, g := range m.groups {
		for side, list := range g.items {
			for _, i := range list {
				if m.partner[side][i] != noPartner {
					continue
				}
				c := m.runs[side].items[i].c
				at := place{c.at.server.key, c.x.Protocol}
				if len(c.x.Unknown) > 0 && c.x.Target == "" {
					unknown[side][at] = append(unknown[side][at], i)
				} else {
					known[side][at] = append(known[side][at], i)
				}
			}
		}
	}
	for side := range bothSides {
		for at, list := range unknown[side] {
			others := slices.Concat(unknown[1-side][at], known[1-side][at])
			for _, i := range list {
				for len(others) > 0 && m.partner[1-side][others[0]] != noPartner {
					others = others[1:]
				}
				if len(others) == 0 {
					break
				}
				if m.partner[side][i] == noPartner {
					m.partner[side][i], m.partner[1-side][others[0]] = others[0], i
					m.ignored[side][i], m.ignored[1-side][others[0]] = true, true
					m.unread++
				}
			}
		}
	}
}

// preferChildren exchanges items that are left for equal ones that have a partner and
// whose parent has none: so what an added request caused is what is left of an equal kind.
func (m *match) preferChildren() {
	for side := range bothSides {
		items := m.runs[side].items
		type twin struct {
			group *group
			all   uint64
		}
		twins := make(map[twin][]int32)
		var left []int32
		for i := range items {
			it := &items[i]
			switch {
			case m.partner[side][i] == noPartner:
				left = append(left, int32(i))
			case it.parent >= 0:
				// Whether its parent has a partner is asked when those before it are done.
				k := twin{it.c.group, it.c.view.all}
				twins[k] = append(twins[k], int32(i))
			}
		}
		slices.SortStableFunc(left, func(p, q int32) int { return cmp.Compare(items[p].depth, items[q].depth) })
		for _, i := range left {
			if m.orphaned(side, i) {
				continue
			}
			k := twin{items[i].c.group, items[i].c.view.all}
			list := twins[k]
			for len(list) > 0 {
				j := list[len(list)-1]
				list = list[:len(list)-1]
				if !m.orphaned(side, j) || m.partner[side][j] == noPartner {
					continue
				}
				p := m.partner[side][j]
				m.partner[side][j], m.partner[side][i], m.partner[1-side][p] = noPartner, p, i
				break
			}
			twins[k] = list
		}
	}
}

// orphaned reports whether an item was caused by one that has no partner.
func (m *match) orphaned(side int, i int32) bool {
	p := m.runs[side].items[i].parent
	return p >= 0 && m.partner[side][p] == noPartner
}

// collect lists the pairs of a group, and what is left.
func (m *match) collect(g *group) {
	for _, i := range g.items[sideA] {
		switch p := m.partner[sideA][i]; {
		case p == noPartner:
			g.left[sideA] = append(g.left[sideA], i)
		case m.runs[sideB].items[p].c.group == g:
			g.pairs = append(g.pairs, [bothSides]int32{i, p})
		}
	}
	for _, i := range g.items[sideB] {
		if m.partner[sideB][i] == noPartner {
			g.left[sideB] = append(g.left[sideB], i)
		}
	}
}
