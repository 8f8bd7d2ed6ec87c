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
func matchRuns(a, b *Run, masks [bothSides]*forms.Masker, m *marks, round int) *match {
	x := &match{runs: [bothSides]*Run{a, b}, masks: masks, marks: m, budget: maxAlike}
	x.makeGroups(round)
	for side, r := range x.runs {
		x.partner[side] = make([]int32, len(r.items))
		x.ignored[side] = make([]bool, len(r.items))
		for i := range x.partner[side] {
			x.partner[side][i] = noPartner
		}
	}
	for side := range x.runs {
		x.signCaused(side)
	}
	for _, g := range x.groups {
		x.pairGroup(g)
	}
	x.pairUnknown()
	x.preferChildren()
	for _, g := range x.groups {
		x.collect(g)
	}
	return x
}

// makeGroups puts the items of both runs into groups, and looks at their contents.
func (x *match) makeGroups(round int) {
	byKey := make(map[string]*group)
	for side, r := range x.runs {
		for i := range r.items {
			c := r.items[i].c
			if c.round != round {
				prefix, text := x.groupKey(c, x.masks[side])
				g := byKey[prefix+text]
				if g == nil {
					g = &group{key: prefix + text, prefix: prefix, text: text, server: c.at.server, content: c}
					byKey[g.key] = g
					x.groups = append(x.groups, g)
				}
				c.round, c.group = round, g
				c.view = (&viewer{mask: x.masks[side], marks: x.marks, group: g.key}).look(c)
			}
			c.group.items[side] = append(c.group.items[side], int32(i))
		}
	}
}

// signCaused sets the numbers for what items caused: what an item caused begins after it.
func (x *match) signCaused(side int) {
	items := x.runs[side].items
	x.causes[side] = make([]uint64, len(items))
	for i := len(items) - 1; i >= 0; i-- {
		if p := items[i].parent; p >= 0 {
			x.causes[side][p] += mix(hashOf(items[i].c.group.key) ^ x.causes[side][i])
		}
	}
}

func (x *match) groupKey(c *content, m *forms.Masker) (prefix, text string) {
	e := &c.x
	if c.failure != "" {
		return c.at.server.key + "\x00" + c.transport.String() + "\x00" + string(c.failure), ""
	}
	prefix = c.at.server.key + "\x00" + e.Protocol + "\x00" + string(e.Kind) + "\x00" + e.Method + "\x00"
	if e.Kind == decode.KindMessage {
		prefix += e.From.String()
	}
	prefix += "\x00"
	return prefix, x.marks.rules.apply(prefix, groupText(e, m))
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
func (x *match) pairGroup(g *group) {
	// Of equal ones, those are pairs that caused the same.
	left := x.pairEnds(g.items)
	left = x.pairBy(left, func(side int, i int32) uint64 {
		return join(x.runs[side].items[i].c.view.all, x.causes[side][i])
	}, false)
	left = x.pairBy(left, func(side int, i int32) uint64 { return x.runs[side].items[i].c.view.all }, false)
	for _, parts := range levels {
		if len(left[sideA]) == 0 || len(left[sideB]) == 0 {
			return
		}
		left = x.pairBy(left, func(side int, i int32) uint64 {
			h := uint64(0)
			for _, p := range parts {
				h = join(h, x.runs[side].items[i].c.view.part[p])
			}
			return h
		}, true)
	}
}

// pairEnds pairs the equal items at the begin and at the end of both lists: so of many equal
// items the one is left in whose place another one is.
func (x *match) pairEnds(items [bothSides][]int32) [bothSides][]int32 {
	a, b := items[sideA], items[sideB]
	equal := func(i, j int32) bool {
		return x.causes[sideA][i] == x.causes[sideB][j] && x.runs[sideA].items[i].c.view.all == x.runs[sideB].items[j].c.view.all
	}
	for len(a) > 0 && len(b) > 0 && equal(a[0], b[0]) {
		x.pair(a[0], b[0])
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && equal(a[len(a)-1], b[len(b)-1]) {
		x.pair(a[len(a)-1], b[len(b)-1])
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return [bothSides][]int32{a, b}
}

// pairBy pairs items with equal keys, in their order, or where alike is set the most
// alike ones first, and returns those that are left.
func (x *match) pairBy(left [bothSides][]int32, key func(side int, i int32) uint64, alike bool) [bothSides][]int32 {
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
		if n := len(b[sideA]) * len(b[sideB]); alike && n > 1 && n <= maxAlikeBucket && x.budget > 0 {
			x.budget -= n * (1 + len(x.runs[sideA].items[b[sideA][0]].c.view.leaves))
			x.pairAlike(b[sideA], b[sideB])
			continue
		}
		for k := range min(len(b[sideA]), len(b[sideB])) {
			x.pair(b[sideA][k], b[sideB][k])
		}
	}
	for side, list := range left {
		var rest []int32
		for _, i := range list {
			if x.partner[side][i] == noPartner {
				rest = append(rest, i)
			}
		}
		left[side] = rest
	}
	return left
}

func (x *match) pair(a, b int32) { x.partner[sideA][a], x.partner[sideB][b] = b, a }

// score is how alike two items are.
type score struct {
	a, b  int32
	order int // how far they are apart in their lists
	equal int
}

type scores []score

// pairAlike pairs the items of two lists, the most alike ones first.
func (x *match) pairAlike(a, b []int32) {
	x.scores = x.scores[:0]
	for i, p := range a {
		has := x.runs[sideA].items[p].c.view.leaves
		for j, q := range b {
			s := score{a: p, b: q, order: max(i-j, j-i), equal: common(has, x.runs[sideB].items[q].c.view.leaves)}
			x.scores = append(x.scores, s)
		}
	}
	slices.SortFunc(x.scores, func(s, t score) int {
		return cmp.Or(cmp.Compare(t.equal, s.equal), cmp.Compare(s.order, t.order), cmp.Compare(s.a, t.a), cmp.Compare(s.b, t.b))
	})
	for _, s := range x.scores {
		if x.partner[sideA][s.a] == noPartner && x.partner[sideB][s.b] == noPartner {
			x.pair(s.a, s.b)
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
func (x *match) pairUnknown() {
	type place struct{ server, protocol string }
	known := [bothSides]map[place][]int32{{}, {}}
	unknown := [bothSides]map[place][]int32{{}, {}}
	for _, g := range x.groups {
		for side, list := range g.items {
			for _, i := range list {
				if x.partner[side][i] != noPartner {
					continue
				}
				c := x.runs[side].items[i].c
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
				for len(others) > 0 && x.partner[1-side][others[0]] != noPartner {
					others = others[1:]
				}
				if len(others) == 0 {
					break
				}
				if x.partner[side][i] == noPartner {
					x.partner[side][i], x.partner[1-side][others[0]] = others[0], i
					x.ignored[side][i], x.ignored[1-side][others[0]] = true, true
					x.unread++
				}
			}
		}
	}
}

// preferChildren exchanges items that are left for equal ones that have a partner and
// whose parent has none: so what an added request caused is what is left of an equal kind.
func (x *match) preferChildren() {
	for side := range bothSides {
		items := x.runs[side].items
		type twin struct {
			group *group
			all   uint64
		}
		twins := make(map[twin][]int32)
		var left []int32
		for i := range items {
			it := &items[i]
			switch {
			case x.partner[side][i] == noPartner:
				left = append(left, int32(i))
			case it.parent >= 0:
				// Whether its parent has a partner is asked when those before it are done.
				k := twin{it.c.group, it.c.view.all}
				twins[k] = append(twins[k], int32(i))
			}
		}
		slices.SortStableFunc(left, func(p, q int32) int { return cmp.Compare(items[p].depth, items[q].depth) })
		for _, i := range left {
			if x.orphaned(side, i) {
				continue
			}
			k := twin{items[i].c.group, items[i].c.view.all}
			list := twins[k]
			for len(list) > 0 {
				j := list[len(list)-1]
				list = list[:len(list)-1]
				if !x.orphaned(side, j) || x.partner[side][j] == noPartner {
					continue
				}
				p := x.partner[side][j]
				x.partner[side][j], x.partner[side][i], x.partner[1-side][p] = noPartner, p, i
				break
			}
			twins[k] = list
		}
	}
}

// orphaned reports whether an item was caused by one that has no partner.
func (x *match) orphaned(side int, i int32) bool {
	p := x.runs[side].items[i].parent
	return p >= 0 && x.partner[side][p] == noPartner
}

// collect lists the pairs of a group, and what is left.
func (x *match) collect(g *group) {
	for _, i := range g.items[sideA] {
		switch p := x.partner[sideA][i]; {
		case p == noPartner:
			g.left[sideA] = append(g.left[sideA], i)
		case x.runs[sideB].items[p].c.group == g:
			g.pairs = append(g.pairs, [bothSides]int32{i, p})
		}
	}
	for _, i := range g.items[sideB] {
		if x.partner[sideB][i] == noPartner {
			g.left[sideB] = append(g.left[sideB], i)
		}
	}
}
