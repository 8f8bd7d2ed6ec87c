package query

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func ports(t *Term) ([]int64, bool) {
	if t.Field.ID != fPort || t.Op != Eq {
		return nil, false
	}
	var out []int64
	for _, v := range t.Values {
		for p := v.Low; p <= v.High; p++ {
			out = append(out, p)
		}
	}
	return out, len(out) < 50
}

func TestBound(t *testing.T) {
	for line, want := range map[string]string{
		"80":                                   "[80] true",
		"80 443":                               "[80 443] true",
		"80 node":                              "[80] true",
		"node":                                 "[] false",
		"80 or node":                           "[] false",
		"80 or 443":                            "[80 443] true",
		"(80 and node) or (443 and python)":    "[80 443] true",
		"80-90":                                "[] false", // of the tests' words: a name
		"port=80-82 and port=443":              "[443] true",
		"not 80":                               "[] false",
		"not (not 80 or node)":                 "[80] true",
		"port!=80":                             "[] false",
		"not port!=80":                         "[80] true",
		"port=1-1000":                          "[] false",
		"(port=1-1000 or node) and 80":         "[80] true",
		"not (port!=80 and port!=443)":         "[80 443] true",
		"not not (80 or 443)":                  "[80 443] true",
		"not (service=x or not (80 and node))": "[80] true",
		"":                                     "[] false",
	} {
		e, err := ParseText(line, testSchema())
		if err != nil {
			t.Fatal(err)
		}
		got, ok := Bound(e, ports)
		if s := fmt.Sprint(got, ok); s != want {
			t.Errorf("%q: got %s, want %s", line, s, want)
		}
	}
	states := func(t *Term) ([]string, bool) {
		var out []string
		for _, v := range t.Values {
			out = append(out, v.Text)
		}
		return out, t.Field.ID == fState
	}
	for line, want := range map[string]string{"state!=listen": "[time_wait closed] true", "not (state=listen,closed or node)": "[time_wait] true", "not not state=listen": "[listen] true"} {
		e, _ := ParseText(line, testSchema())
		got, ok := Bound(e, states)
		if s := fmt.Sprint(got, ok); s != want {
			t.Errorf("%q: got %s, want %s", line, s, want)
		}
	}
}

// expressions makes trees of any form.
func expressions(s *Schema) *rapid.Generator[Expr] {
	term := rapid.Custom(func(t *rapid.T) *Term {
		switch rapid.IntRange(0, 2).Draw(t, "field") {
		case 0:
			low := rapid.Int64Range(1, 5).Draw(t, "low")
			return &Term{Field: s.ByID(fPort), Op: rapid.SampledFrom([]Op{Eq, Ne, Lt, Le, Gt, Ge}).Draw(t, "op"), Values: []Value{{Low: low, High: low + rapid.Int64Range(0, 1).Draw(t, "more")}}}
		case 1:
			return &Term{Field: s.ByID(fState), Op: rapid.SampledFrom([]Op{Eq, Ne}).Draw(t, "op"), Values: []Value{{Text: rapid.SampledFrom(s.ByID(fState).Words).Draw(t, "state")}}}
		}
		return &Term{Field: s.ByID(fService), Op: rapid.SampledFrom([]Op{Eq, Ne, Contains, NotContains}).Draw(t, "op"), Values: []Value{{Text: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "service")}}}
	})
	var tree func(depth int) *rapid.Generator[Expr]
	tree = func(depth int) *rapid.Generator[Expr] {
		return rapid.Custom(func(t *rapid.T) Expr {
			kind := rapid.IntRange(0, 4).Draw(t, "kind")
			if depth == 0 {
				kind = 4
			}
			kids := func() []Expr { return rapid.SliceOfN(tree(depth-1), 0, 3).Draw(t, "kids") }
			switch kind {
			case 0:
				return And(kids())
			case 1:
				return Or(kids())
			case 2:
				return Not{tree(depth-1).Draw(t, "kid")}
			case 3:
				return Group(rapid.SliceOfN(term, 0, 4).Draw(t, "group"))
			}
			return term.Draw(t, "term")
		})
	}
	return tree(3)
}

// A row that an expression matches has a value of each bound.
func TestBoundLosesNothing(t *testing.T) {
	s := testSchema()
	all := expressions(s)
	states := func(t *Term) ([]string, bool) {
		var out []string
		for _, v := range t.Values {
			out = append(out, v.Text)
		}
		return out, t.Field.ID == fState
	}
	rapid.Check(t, func(t *rapid.T) {
		e := all.Draw(t, "expression")
		r := &fakeRow{
			texts:   map[int][]string{fService: rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab"}), 0, 2).Draw(t, "services"), fState: {rapid.SampledFrom(s.ByID(fState).Words).Draw(t, "state")}},
			numbers: map[int][]int64{fPort: rapid.SliceOfN(rapid.Int64Range(1, 6), 0, 2).Draw(t, "ports")},
		}
		match := Compile(e).Match(r)
		if Compile(Simplify(e)).Match(r) != match {
			t.Fatalf("%s: simplified it matches otherwise", String(e))
		}
		if !match {
			return
		}
		if list, ok := Bound(e, ports); ok && !slices.ContainsFunc(r.numbers[fPort], func(p int64) bool { return slices.Contains(list, p) }) {
			t.Fatalf("%s: ports %v are not in %v", String(e), r.numbers[fPort], list)
		}
		if list, ok := Bound(e, states); ok && !slices.Contains(list, r.texts[fState][0]) {
			t.Fatalf("%s: state %v is not in %v", String(e), r.texts[fState], list)
		}
	})
}
