package cli

import (
	"slices"
	"strings"
	"testing"

	"lodge/internal/service"
)

func TestProgress(t *testing.T) {
	all := func(text string) (out []service.Status) {
		for f := range strings.FieldsSeq(text) {
			name, state, _ := strings.Cut(f, "=")
			st := service.Status{Name: name, Kind: service.KindService, State: service.State(state)}
			switch st.State {
			case service.Failed:
				st.Reason = "ended"
			case service.Waiting:
				st.Reason, st.Needs = "for db", []string{"db"}
			}
			out = append(out, st)
		}
		return out
	}
	g := &progress{told: map[string]bool{}}
	for _, step := range []struct{ states, told, waits string }{
		// What failed before is no news, until it fails again.
		{"db=stopped web=failed old=failed", "", ""},
		{"db=starting web=waiting old=failed", "", "waiting for db (starting), web (waits for db)"},
		{"db=starting web=waiting old=starting", "", "waiting for db (starting), web (waits for db), old (starting)"},
		{"db=starting web=waiting old=failed", "old failed: ended", "waiting for db (starting), web (waits for db)"},
		{"db=starting web=waiting old=failed", "", ""},
		// The last is told by the end of the start.
		{"db=failed web=failed old=failed", "", ""},
	} {
		if got := strings.Join(g.see(all(step.states)), "|"); got != step.told {
			t.Errorf("%s: told %q, want %q", step.states, got, step.told)
		}
		if got := g.waitsFor(); got != step.waits {
			t.Errorf("%s: %q, want %q", step.states, got, step.waits)
		}
	}
	var names []string
	for _, st := range wanted(all("db=starting web=waiting other=starting"), []string{"web"}) {
		names = append(names, st.Name)
	}
	if !slices.Equal(names, []string{"db", "web"}) {
		t.Errorf("wanted %q", names)
	}
}

func TestFailures(t *testing.T) {
	failed := func(name string, needs ...string) service.Status {
		return service.Status{Name: name, State: service.Failed, Needs: needs}
	}
	var got []string
	for _, f := range failures([]service.Status{failed("api", "up", "migrate"), {Name: "up", State: service.Up}, failed("migrate", "db"), failed("db"), failed("other")}) {
		got = append(got, f.Name+" for "+f.root)
	}
	if want := []string{"db for db", "other for other", "api for db", "migrate for db"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	g := &progress{waits: slices.Repeat([]string{"x"}, 100)}
	if text := g.waitsFor(); !strings.HasSuffix(text, "x and 92 more") {
		t.Errorf("%q", text)
	}
}
