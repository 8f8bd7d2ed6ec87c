package diff

import (
	"cmp"
	"fmt"
	"slices"

	"lodge/internal/decode"
	"lodge/internal/show"
)

// report makes the report of the last match.
func (c *comparison) report(m *match) *Report {
	r := &Report{A: sideOf(c.a), B: sideOf(c.b), Groups: len(m.groups), NotCompared: m.unread, Volatile: c.volatile(m)}
	for _, x := range c.again {
		r.Again = append(r.Again, sideOf(x))
	}
	r.Complete = r.A.Complete && r.B.Complete
	for _, x := range c.renamed {
		r.Findings = append(r.Findings, Finding{Kind: KindServer, Group: Group{Server: (&server{port: x.port}).label(), Protocol: "tcp"}, Change: "changed", A: x.a, B: x.b})
	}
	more := 0
	because := [bothSides]map[*group]map[*group]int{caused(m, sideA), caused(m, sideB)}
	for _, g := range m.groups {
		r.Pairs += len(g.pairs)
		r.Findings = append(r.Findings, c.counted(m, g, because)...)
		list, dropped := changed(m, g)
		r.Findings, more = append(r.Findings, list...), more+dropped
		if c.o.Latency {
			r.Findings = append(r.Findings, c.slower(m, g)...)
		}
	}
	r.Findings = merge(r.Findings)
	slices.SortStableFunc(r.Findings, compareFindings)
	r.Different = len(r.Findings) > 0
	if n := len(r.Findings); n > c.o.Limit {
		r.Findings, more = r.Findings[:c.o.Limit], more+n-c.o.Limit
	}
	r.More = more
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// sideOf is what the report says of a run.
func sideOf(r *Run) Side {
	s := Side{Name: r.name, Exchanges: r.exchanges, Failures: r.failures, Account: r.account, Notes: slices.Clone(r.notes)}
	s.Complete = r.account != nil && r.account.Complete() && !r.cut && r.left == 0 && r.bodiesLeft == 0
	note := func(n uint64, one, many string) {
		switch {
		case n == 1:
			s.Notes = append(s.Notes, "1 "+one)
		case n > 1:
			s.Notes = append(s.Notes, fmt.Sprintf("%d %s", n, many))
		}
	}
	if r.account == nil {
		s.Notes = append(s.Notes, "what was lost is not known: it has no account")
	} else if a := r.account.Records; a.Selected > 0 && a.Selected < a.Exchanges+a.Failures {
		note(a.Exchanges+a.Failures-a.Selected, "record is left out by a filter", "records are left out by a filter")
	}
	note(r.left, "record is not compared: there are too many", "records are not compared: there are too many")
	note(r.bodiesLeft, "exchange is compared without bodies: there are too many", "exchanges are compared without bodies: there are too many")
	note(r.partly, "exchange is known in part only", "exchanges are known in part only")
	open := uint64(0)
	for i := range r.items {
		if r.items[i].openAtClose {
			open++
		}
	}
	note(open, "request was not answered when the recording ended", "requests were not answered when the recording ended")
	return s
}

// describe returns the group for a report.
func (g *group) describe() Group {
	c := g.content
	out := Group{Server: g.server.label(), Protocol: c.transport.String(), Method: c.x.Method, Target: g.text}
	if c.failure != "" {
		out.Method, out.Target = "connect", string(c.failure)
		return out
	}
	out.Protocol = c.x.Protocol
	return out
}

// compareFindings orders findings: the most important first.
func compareFindings(x, y Finding) int {
	weight := func(f *Finding) int {
		n := max(f.CountA-f.CountB, f.CountB-f.CountA)
		if f.Changed > 0 {
			n = f.Changed
		}
		if f.Repeated {
			n += 1 << 30
		}
		return n
	}
	return cmp.Or(cmp.Compare(x.Kind.rank(), y.Kind.rank()), cmp.Compare(weight(&y), weight(&x)), cmp.Compare(x.Server, y.Server),
		cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Method, y.Method), cmp.Compare(x.Part, y.Part),
		cmp.Compare(x.Name, y.Name), cmp.Compare(x.Change, y.Change))
}

// merge puts findings of headers that are the same in several kinds of requests into one.
func merge(list []Finding) []Finding {
	type key struct {
		server, protocol, name, change, a, b string
		part                                 Part
	}
	first := make(map[key]int)
	var out []Finding
	for _, f := range list {
		if f.Kind != KindHeader && f.Part != PartHost && f.Part != PartVersion {
			out = append(out, f)
			continue
		}
		k := key{f.Server, f.Protocol, f.Name, f.Change, f.A, f.B, f.Part}
		if f.Varied {
			k.a, k.b = "", ""
		}
		i, ok := first[k]
		if !ok {
			first[k] = len(out)
			out = append(out, f)
			continue
		}
		had := &out[i]
		had.Also = append(had.Also, f.Group)
		had.Changed += f.Changed
		had.Pairs += f.Pairs
		had.Values += f.Values
		had.CountA += f.CountA
		had.CountB += f.CountB
	}
	return out
}

// maxFound bounds the findings of one group.
const maxFound = 1000

// changed returns the differences of the pairs of a group, and how many more there are of
// which nothing is said.
func changed(m *match, g *group) (out []Finding, dropped int) {
	type key struct {
		part Part
		name string
		what what
		more string
	}
	found := make(map[key]*Finding)
	var order []key
	m.eachPair(g, func(pair [bothSides]int32, list []change) {
		x, y := &m.runs[sideA].items[pair[sideA]], &m.runs[sideB].items[pair[sideB]]
		hasStatus := slices.ContainsFunc(list, func(c change) bool { return c.part == PartStatus && c.name == "" })
		seen := make(map[key]bool)
		for i := range list {
			c := &list[i]
			k := key{part: c.part, name: c.name, what: c.what}
			kind := kindOf(c)
			if c.part == PartStatus {
				if c.name != "" && hasStatus {
					continue
				}
				k = key{part: PartStatus, more: fmt.Sprintf("%d %d", x.c.x.Code, y.c.x.Code)}
				c.what, c.old, c.new = whatValue, x.c.x.Status, y.c.x.Status
				if y.c.x.Failed && !x.c.x.Failed {
					kind = KindError
					k.more += " failed"
				}
			}
			f := found[k]
			if f == nil && len(found) >= maxFound {
				dropped++
				continue
			}
			if f == nil {
				f = &Finding{Kind: kind, Group: g.describe(), Part: c.part, Name: k.name, Place: c.at, Change: c.what.word(), A: clip(c.old), B: clip(c.new)}
				f.LinesRemoved, f.LinesAdded = c.removed, c.added
				f.CountA, f.CountB, f.Pairs = m.count(g, sideA), m.count(g, sideB), len(g.pairs)
				found[k] = f
				order = append(order, k)
			}
			f.Values++
			f.Varied = f.Varied || f.A != clip(c.old) || f.B != clip(c.new)
			if !seen[k] {
				seen[k] = true
				f.Changed++
				f.NumbersA, f.NumbersB = addNumber(f.NumbersA, x), addNumber(f.NumbersB, y)
			}
		}
	})
	for _, k := range order {
		out = append(out, *found[k])
	}
	return out, dropped
}

const maxNumbers = 3

func addNumber(list []uint64, i *item) []uint64 {
	if len(list) < maxNumbers {
		list = append(list, i.number)
	}
	return list
}

// maxValue bounds a value of a report.
const maxValue = 500

func clip(s string) string {
	return show.Short(s, maxValue)
}

func kindOf(c *change) Kind {
	switch c.part {
	case PartStatus:
		return KindStatus
	case PartRequestHeader, PartRequestTrailer, PartResponseHeader, PartResponseTrailer:
		return KindHeader
	case PartRequestBody, PartResponseBody:
		if c.name == sizeName && c.at == "" {
			return KindSize
		}
		if c.part == PartResponseBody {
			return KindBody
		}
	case PartDetail:
		if !isParameter(c.name) {
			return KindBody
		}
	}
	return KindRequest
}

func (w what) word() string {
	return [...]string{"changed", "added", "removed", "type", "length", "order", "line", "lines"}[w]
}

// factor is by how much medians of latencies differ that are told, of fewMost exchanges
// or more.
const (
	latencyFactor = 4
	latencyFewest = 10
)

// latency returns the median of the latencies of a group in microseconds, where there are
// enough of them.
func latency(m *match, g *group, side int) (float64, bool) {
	var list []int64
	for _, i := range g.items[side] {
		if it := &m.runs[side].items[i]; it.answered > 0 && it.c.x.Kind == decode.KindRequest && it.answered >= it.start {
			list = append(list, it.answered-it.start)
		}
	}
	if len(list) < latencyFewest {
		return 0, false
	}
	slices.Sort(list)
	return float64(list[len(list)/2]) / 1000, true
}

// slower returns the difference of a group's latencies.
func (c *comparison) slower(m *match, g *group) []Finding {
	a, okA := latency(m, g, sideA)
	b, okB := latency(m, g, sideB)
	if !okA || !okB {
		return nil
	}
	all := append([]float64{a}, c.marks.latencies[g.key]...)
	if b < latencyFactor*slices.Max(all) && b*latencyFactor > slices.Min(all) {
		return nil
	}
	return []Finding{{Kind: KindLatency, Group: g.describe(), CountA: len(g.items[sideA]), CountB: len(g.items[sideB]), LatencyA: a, LatencyB: b}}
}

// volatile lists what was learned, for the groups of the last match.
func (c *comparison) volatile(m *match) (out []Volatile) {
	groups := make(map[string]*group, len(m.groups))
	for _, g := range m.groups {
		groups[g.key] = g
	}
	add := func(key string, v Volatile) {
		if g := groups[key]; g != nil {
			v.Group = g.describe()
			out = append(out, v)
		}
	}
	for at, l := range c.marks.levels {
		add(at.group, Volatile{Part: at.part, Name: at.name, What: l.word()})
	}
	for at := range c.marks.lines {
		add(at.group, Volatile{Part: at.part, What: "lines"})
	}
	for key, n := range c.marks.counts {
		if n.least != n.most {
			add(key, Volatile{What: "count"})
		}
	}
	for prefix, list := range c.marks.rules.of {
		for text := range list {
			add(prefix+text, Volatile{Part: PartTarget, What: "value"})
		}
	}
	slices.SortFunc(out, func(x, y Volatile) int {
		return cmp.Or(cmp.Compare(x.Server, y.Server), cmp.Compare(x.Protocol, y.Protocol), cmp.Compare(x.Target, y.Target), cmp.Compare(x.Method, y.Method),
			cmp.Compare(x.Part, y.Part), cmp.Compare(x.Name, y.Name), cmp.Compare(x.What, y.What))
	})
	return out
}

func (l level) word() string {
	return [...]string{"", "order", "value", "length", "presence"}[l]
}
