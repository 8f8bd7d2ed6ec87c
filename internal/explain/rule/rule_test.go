package rule

import (
	"slices"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
	"lodge/internal/model"
)

// finds is a rule that finds its code with the given orders.
func finds(code model.Code, sure bool, orders ...int) Rule {
	return Rule{Code: code, Title: "title of " + string(code), Check: func(*facts.Facts) []model.Finding {
		var out []model.Finding
		for _, n := range orders {
			out = append(out, model.Finding{Sure: sure, Order: n})
		}
		return out
	}}
}

func last(r Rule, l Last) Rule {
	r.Last = l
	return r
}

func codes(all []Found) []model.Code {
	var out []model.Code
	for _, x := range all {
		out = append(out, x.Code)
	}
	return out
}

func TestRun(t *testing.T) {
	timeout := &facts.Facts{Question: input.Question{Errno: "ETIMEDOUT"}}
	heavy := finds("heavy", true, 0)
	heavy.Weight = OnErrors(2, "ETIMEDOUT")
	never := finds("never", true, 0)
	never.Never = []string{"ETIMEDOUT"}
	for _, c := range []struct {
		name   string
		groups []Group
		facts  *facts.Facts
		want   []model.Code
	}{
		{"the order of a group is by Order, then by the list", []Group{{Rules: []Rule{finds("a", true, 0, 2), finds("b", true, 1), finds("c", true, 0)}}}, nil, []model.Code{"a", "c", "b", "a"}},
		{"groups are not mixed", []Group{{Rules: []Rule{finds("a", true, 5)}}, {Rules: []Rule{finds("b", true, 0)}}}, nil, []model.Code{"a", "b"}},
		{"what is sure comes first", []Group{{Rules: []Rule{finds("a", false, 0)}}, {Rules: []Rule{finds("b", true, 0)}}}, nil, []model.Code{"b", "a"}},
		{"what goes with the error comes first", []Group{{Rules: []Rule{finds("a", true, 0), heavy}}}, timeout, []model.Code{"heavy", "a"}},
		{"without that error it does not", []Group{{Rules: []Rule{finds("a", true, 0), heavy}}}, nil, []model.Code{"a", "heavy"}},
		{"an error excludes a rule", []Group{{Rules: []Rule{never}}}, timeout, nil},
		{"a question without an error does not", []Group{{Rules: []Rule{never}}}, nil, []model.Code{"never"}},
		{"a group that does not apply", []Group{{When: func(*facts.Facts) bool { return false }, Rules: []Rule{finds("a", true, 0)}}}, nil, nil},
		{"last in a group", []Group{{Rules: []Rule{finds("a", true, 0)}}, {Rules: []Rule{finds("b", true), last(finds("c", true, 0), InGroup), last(finds("d", true, 0), InGroup)}}}, nil, []model.Code{"a", "c"}},
		{"last in a section", []Group{{Section: "x", Rules: []Rule{finds("a", true, 0)}}, {Section: "x", Rules: []Rule{last(finds("b", true, 0), InSection)}}, {Section: "y", Rules: []Rule{last(finds("c", true, 0), InSection)}}}, nil, []model.Code{"a", "c"}},
		{"last of all", []Group{{Section: "x", Rules: []Rule{finds("a", true, 0)}}, {Section: "y", Rules: []Rule{last(finds("b", true, 0), OfAll)}}}, nil, []model.Code{"a"}},
		{"last of all, alone", []Group{{Section: "x", Rules: []Rule{finds("a", true)}}, {Section: "y", Rules: []Rule{last(finds("b", true, 0), OfAll)}}}, nil, []model.Code{"b"}},
	} {
		f := c.facts
		if f == nil {
			f = &facts.Facts{}
		}
		if got := codes(Run(c.groups, f)); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestRunFillsIn holds what a check need not say.
func TestRunFillsIn(t *testing.T) {
	own := finds("b", true, 0)
	own.Check = func(*facts.Facts) []model.Finding { return []model.Finding{{Operation: model.Bind}} }
	own.Show.Notable = true
	got := Run([]Group{{Operation: model.Connect, Rules: []Rule{finds("a", true, 0), own}}}, &facts.Facts{})
	if len(got) != 2 || got[0].Operation != model.Connect || got[0].Weight != 1 || got[0].Title != "title of a" || got[1].Operation != model.Bind || got[1].Weight != 0 || !got[1].Show.Notable {
		t.Errorf("%+v", got)
	}
}
