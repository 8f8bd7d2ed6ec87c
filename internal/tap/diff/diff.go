// Package diff compares two recordings of [lodge/internal/tap], exchange by exchange:
// which requests there are in one and not in the other, how often, and which of their
// statuses, headers, bodies and latencies differ.
//
// Exchanges are aligned and not rewritten: two homes have the same ports and origins. The
// key is the server (its service, or its process and port), the protocol, the method and
// the group, which is a path or a statement without what identifies one of many. Within
// a key, exchanges that are equal are paired first, whatever their order and their
// connections, then those that are equal in less and less; all of it takes O(n log n).
//
// What differs from run to run is left out. A part of that is known beforehand: it is
// listed in volatile.go, and times near that of the recording are recognised. The rest is
// learned from further runs of the first side: what differs between runs of one side is
// volatile.
//
// The package computes only: it reads no file and no clock.
package diff

import (
	"slices"

	"lodge/internal/decode"
	"lodge/internal/tap/diff/forms"
)

// Options say what is compared.
type Options struct {
	// Latency compares latencies too.
	Latency bool
	// Limit bounds the findings of a report; 0 is [DefaultLimit].
	Limit int
}

// DefaultLimit is how many findings a report has at most.
const DefaultLimit = 200

// comparison is the work of [Compare].
type comparison struct {
	o       Options
	a, b    *Run
	again   []*Run
	marks   *marks
	masks   []mask
	renamed []renamed
	round   int
}

// Compare compares run a with run b. again are further runs of a's side, from which is
// learned what is volatile. The runs belong to the comparison afterwards.
func Compare(a, b *Run, again []*Run, o Options) *Report {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	c := &comparison{o: o, a: a, b: b, again: again, marks: newMarks()}
	resolve(a, nil)
	findParents(a)
	for _, r := range again {
		resolve(r, a)
		findParents(r)
	}
	if b != a {
		c.renamed = resolve(b, a)
		findParents(b)
	}
	var m *match
	for _, r := range again {
		m = c.learn(r)
	}
	for _, r := range slices.Backward(again) {
		if m == nil {
			m = c.match(r)
		}
		c.learnCounts(m)
		m = nil
	}
	return c.report(c.match(b))
}

// match pairs the items of a and of r.
func (c *comparison) match(r *Run) *match {
	c.round++
	ofA, ofR := replacements(c.a, r)
	masks := [bothSides]*forms.Masker{c.maskerOf(c.a, ofA), c.maskerOf(r, ofR)}
	return matchRuns(c.a, r, masks, c.marks, c.round)
}

// maskerOf returns what takes out of texts what belongs to the run. Where further runs tell
// what is volatile, nothing is guessed. For the same replacements it is the same masker.
func (c *comparison) maskerOf(r *Run, replace []forms.Replacement) *forms.Masker {
	for _, m := range c.masks {
		if m.run == r && slices.Equal(m.replace, replace) {
			return m.masker
		}
	}
	m := forms.New(forms.Options{First: r.first, Last: r.last, Guess: len(c.again) == 0, Replace: replace})
	c.masks = append(c.masks, mask{r, replace, m})
	return m
}

// mask is a masker with what it was made for.
type mask struct {
	run     *Run
	replace []forms.Replacement
	masker  *forms.Masker
}

// maxRounds bounds how often a run is compared for what was learned from it.
const maxRounds = 5

// learn notes what differs between a and another run of its side. What was learned may pair
// others, from which there is more to learn: a response is compared where its request does
// not differ. It returns the last match where nothing was learned from it, else nil.
func (c *comparison) learn(r *Run) *match {
	for range maxRounds {
		m := c.match(r)
		var onlyA, onlyR []*group
		for _, g := range m.groups {
			switch {
			case len(g.items[sideB]) == 0:
				onlyA = append(onlyA, g)
			case len(g.items[sideA]) == 0:
				onlyR = append(onlyR, g)
			}
		}
		learned := c.marks.rules.learn(onlyA, onlyR)
		for _, g := range m.groups {
			m.eachPair(g, func(_ [bothSides]int32, list []change) {
				for i := range list {
					learned = c.marks.learn(g.key, &list[i]) || learned
					if list[i].part == PartTarget && list[i].name == "" {
						learned = c.marks.rules.learnPlaceholders(g) || learned
					}
				}
			})
		}
		if !learned {
			return m
		}
	}
	return nil
}

// learnCounts notes how often each kind of request is in two runs of one side, and how long
// it took.
func (c *comparison) learnCounts(m *match) {
	for _, g := range m.groups {
		for side := range bothSides {
			n := m.count(g, side)
			s, ok := c.marks.counts[g.key]
			if !ok {
				s = interval{n, n}
			}
			c.marks.counts[g.key] = interval{min(s.least, n), max(s.most, n)}
			if median, ok := latency(m, g, side); ok {
				c.marks.latencies[g.key] = append(c.marks.latencies[g.key], median)
			}
		}
	}
}

// eachPair calls f for each pair of a group that differs, with its differences.
func (m *match) eachPair(g *group, f func(pair [bothSides]int32, list []change)) {
	va := &viewer{mask: m.masks[sideA], marks: m.marks, group: g.key}
	vb := &viewer{mask: m.masks[sideB], marks: m.marks, group: g.key}
	type contents struct {
		a, b *content
		cut  bool
	}
	known := make(map[contents][]change)
	for _, p := range g.pairs {
		x, y := &m.runs[sideA].items[p[sideA]], &m.runs[sideB].items[p[sideB]]
		if x.c.view.all == y.c.view.all {
			continue
		}
		k := contents{x.c, y.c, x.openAtClose || y.openAtClose}
		list, ok := known[k]
		if !ok {
			list = reduce(va, vb, x, y)
			if len(known) < maxKnown {
				known[k] = list
			}
		}
		if len(list) > 0 {
			f(p, list)
		}
	}
}

// maxKnown bounds the pairs of contents of a group whose differences are remembered.
const maxKnown = 1000

// maxChanges bounds the differences that are told of one pair.
const maxChanges = 1000

// reduce returns the differences of two items, without what follows from others of them.
func reduce(va, vb *viewer, x, y *item) []change {
	var all []change
	var isAsked, isStatus, isBody, failed bool
	compare(va, vb, x.c, y.c, func(c change) {
		if len(all) >= maxChanges {
			return
		}
		all = append(all, c)
		switch c.part {
		case PartTarget, PartRequestBody:
			isAsked = true
		case PartStatus:
			isStatus = true
			failed = failed || c.name == "failed"
		case PartResponseBody:
			isBody = true
		case PartDetail:
			isAsked = isAsked || isParameter(c.name)
		}
	})
	ca, cb := &x.c.x, &y.c.x
	out := all[:0]
	partly := len(ca.Unknown) > 0 || len(cb.Unknown) > 0
	cut := x.openAtClose || y.openAtClose
	otherAnswer := isAsked || isStatus && (failed || ca.Code/100 != cb.Code/100)
	for _, c := range all {
		response := c.part.index() >= status && !(c.part == PartDetail && isParameter(c.name))
		switch {
		case cut && response:
		case partly && c.part != PartStatus && (c.what == whatAdded || c.what == whatRemoved):
		case ca.Kind != decode.KindSession && (c.what == whatAdded || c.what == whatRemoved) &&
			(c.part == PartVersion || c.part == PartDetail && in(sessionDetails[:], c.name)):
		case otherAnswer && response && c.part != PartStatus:
		case c.part == PartDetail && in(resultDetails[:], c.name) && (isBody || isStatus):
		case c.part == PartStatus && c.name == "" && isBody && !failed && ca.Code == 0 && cb.Code == 0:
		case c.part == PartStatus && c.name == "" && isAsked && !failed && ca.Code == 0 && cb.Code == 0:
		default:
			out = append(out, c)
		}
	}
	return out
}

// isParameter reports whether a detail is a parameter of a statement: $1.
func isParameter(name string) bool { return len(name) > 1 && name[0] == '$' }

// count returns how many items of a group a side has, without those that an exchange
// caused which the other side does not have.
func (m *match) count(g *group, side int) int {
	return len(g.pairs) + len(alone(m, g, side))
}
