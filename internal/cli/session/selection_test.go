package session

import (
	"slices"
	"strings"
	"testing"
)

// TestQualified: PROJECT/SERVICE names a service from anywhere.
func TestQualified(t *testing.T) {
	for line, want := range map[string]string{
		"web":              "|web",
		"":                 "|",
		"shop/web":         "shop|web",
		"shop/web shop/db": "shop|web db",
		"shop/":            "|shop/",
		"/web":             "|/web",
	} {
		sel := &Selection{}
		got, err := sel.Qualify(strings.Fields(line))
		if s := sel.project + "|" + strings.Join(got, " "); err != nil || s != want {
			t.Errorf("%q: %q, %v; want %q", line, s, err, want)
		}
	}
	for line, project := range map[string]string{"shop/web lib/db": "", "shop/web db": "", "db shop/web": "", "lib/web": "shop"} {
		sel := &Selection{project: project}
		if got, err := sel.Qualify(strings.Fields(line)); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
	sel := &Selection{project: "shop"}
	if got, err := sel.Qualify([]string{"shop/web", "db"}); err != nil || !slices.Equal(got, []string{"web", "db"}) {
		t.Errorf("%q, %v", got, err)
	}
}
