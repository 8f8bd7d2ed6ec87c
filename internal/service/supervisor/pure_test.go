package supervisor

import (
	"strings"
	"testing"

	"lodge/internal/service"
)

func TestCheckOfDefinitions(t *testing.T) {
	sp := func(name string, needs ...string) service.Spec {
		return service.Spec{Name: name, Argv: []string{"true"}, Needs: needs}
	}
	for _, c := range []struct {
		name  string
		specs []service.Spec
		want  string
	}{
		{"nothing", nil, ""},
		{"a diamond", []service.Spec{sp("a", "b", "c"), sp("b", "d"), sp("c", "d"), sp("d")}, ""},
		{"one that is not there", []service.Spec{sp("a", "z")}, ""},
		{"no name", []service.Spec{sp("")}, "no name"},
		{"no command", []service.Spec{{Name: "a"}}, "a has no command"},
		{"an empty command", []service.Spec{{Name: "a", Argv: []string{""}}}, "a has no command"},
		{"two of one name", []service.Spec{sp("a"), sp("a")}, "two are called a"},
		{"itself", []service.Spec{sp("a", "a")}, "a needs itself"},
		{"a ring", []service.Spec{sp("a", "b"), sp("b", "c"), sp("c", "a")}, "needs itself"},
	} {
		if err := check(c.specs); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

func TestTexts(t *testing.T) {
	if got := changedText([]string{"a.py"}); got != "a.py changed" {
		t.Error(got)
	}
	if got := changedText([]string{"a", "b", "c", "d"}); got != "4 files changed: a, b, c" {
		t.Error(got)
	}
}
