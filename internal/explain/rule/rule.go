package rule

import (
	"slices"

	"lodge/internal/explain/facts"
	"lodge/internal/model"
)

// Rule finds one cause.
type Rule struct {
	// Code names the cause; several rules may find the same one.
	Code model.Code
	// Title says in a few words what the cause is.
	Title string
	// Weight is added to the rank of what is found; nil adds nothing. A finding that
	// is sure has one more.
	Weight func(*facts.Facts) int
	// Never has the errors, such as "EHOSTUNREACH", of which this cannot be the cause.
	Never []string
	// Last makes it a rule of last resort.
	Last Last
	// Check returns what it finds. Code and, where it is "", the operation are filled
	// in afterwards.
	Check func(*facts.Facts) []model.Finding
	// Show says how the finding is shown where the question names no failure.
	Show Show
}

// Last says where nothing must have been found for a rule to be checked.
type Last int

// A rule of last resort is checked where no rule before it has found anything: in
// its group, in the groups of its section, or at all.
const (
	NotLast Last = iota
	InGroup
	InSection
	OfAll
)

// Show says how a finding is shown to people. Its zero value is right for most.
type Show struct {
	// Notable adds the summary to an answer that tells what is at an address.
	Notable bool
	// Empty says whether the summary is the answer where no socket is at an address.
	Empty Empty
	// Told reports that the sockets and services which are shown say already what the
	// evidence says; rows is whether any socket is shown. Nil is false.
	Told func(f *facts.Facts, rows bool) bool
	// Hint says when the hint is given where the question names no failure.
	Hint Hint
}

// Empty says whether a summary answers what is at an address without sockets.
type Empty int

// It does not, it does by itself, or after a sentence that no socket listens.
const (
	EmptyNo Empty = iota
	EmptyAlone
	EmptyAfter
)

// Hint says when a hint is given where the question names no failure.
type Hint int

// It always is, only where a failure is named, only where there is none before it,
// or only where no connection is shown.
const (
	HintAlways Hint = iota
	HintOnFailure
	HintFirst
	HintWithoutConnections
)

// Group is a list of rules that answer one question, such as why nothing answers at
// an address. Its findings are sorted by their Order.
type Group struct {
	// Section names the groups that belong together; see [InSection].
	Section string
	// Operation is what fails by what the group finds, where a finding says nothing.
	Operation model.Operation
	// When reports whether the group applies; nil is always.
	When  func(*facts.Facts) bool
	Rules []Rule
}

// Found is a finding, and what its rule says of it.
type Found struct {
	model.Finding
	// Title is that of its rule.
	Title string
	// Weight is its rank among the findings: the highest is the likeliest cause.
	Weight int
	Show   Show
}

// Run applies the rules and returns what they find, the likeliest first; what is
// equally likely stays in the order of the groups.
func Run(groups []Group, f *facts.Facts) []Found {
	var all []Found
	sections := make(map[string]int)
	for _, g := range groups {
		if g.When != nil && !g.When(f) {
			continue
		}
		var here []Found
		for _, r := range g.Rules {
			if r.excluded(f, len(here), sections[g.Section], len(all)) {
				continue
			}
			here = append(here, r.find(f, g.Operation)...)
		}
		slices.SortStableFunc(here, func(a, b Found) int { return a.Order - b.Order })
		sections[g.Section] += len(here)
		all = append(all, here...)
	}
	slices.SortStableFunc(all, func(a, b Found) int { return b.Weight - a.Weight })
	return all
}

// excluded reports whether a rule is not checked, by how many findings there are in
// its group, in its section before that, and in all groups before it.
func (r *Rule) excluded(f *facts.Facts, group, section, all int) bool {
	switch r.Last {
	case InGroup:
		if group > 0 {
			return true
		}
	case InSection:
		if group+section > 0 {
			return true
		}
	case OfAll:
		if group+all > 0 {
			return true
		}
	}
	return f.Question.Errno != "" && slices.Contains(r.Never, f.Question.Errno)
}

func (r *Rule) find(f *facts.Facts, op model.Operation) []Found {
	var out []Found
	for _, x := range r.Check(f) {
		x.Code = r.Code
		if x.Operation == "" {
			x.Operation = op
		}
		w := 0
		if x.Sure {
			w = 1
		}
		if r.Weight != nil {
			w += r.Weight(f)
		}
		out = append(out, Found{Finding: x, Title: r.Title, Weight: w, Show: r.Show})
	}
	return out
}

// OnErrors returns a weight for the findings of a question whose message tells one
// of the errors.
func OnErrors(weight int, errnos ...string) func(*facts.Facts) int {
	return func(f *facts.Facts) int {
		if slices.Contains(errnos, f.Question.Errno) {
			return weight
		}
		return 0
	}
}

// Unreachable are the errors of the way to an address, which do not depend on its sockets.
func Unreachable() []string { return []string{"EHOSTUNREACH", "ENETUNREACH"} }
