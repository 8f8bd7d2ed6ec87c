package operation

import (
	"slices"
	"strings"
	"testing"

	"lodge/internal/localapi"
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
	g := newProgress(nil)
	for _, step := range []struct{ states, told, waits string }{
		// What failed before is no news, until it fails again.
		{"db=stopped web=failed old=failed", "", ""},
		{"db=starting web=waiting old=failed", "", "db=starting web=waiting"},
		{"db=starting web=waiting old=starting", "", "db=starting web=waiting old=starting"},
		{"db=starting web=waiting old=failed", "old failed: ended", "db=starting web=waiting"},
		{"db=starting web=waiting old=failed", "", ""},
		// The last is told by the end of the start.
		{"db=failed web=failed old=failed", "", ""},
	} {
		var told []string
		for _, p := range g.see(all(step.states)) {
			if p.Kind == localapi.ProgressFailed {
				told = append(told, p.Services[0].Name+" failed: "+p.Services[0].Reason)
			}
		}
		if got := strings.Join(told, "|"); got != step.told {
			t.Errorf("%s: told %q, want %q", step.states, got, step.told)
		}
		var waits []string
		if p, ok := g.waiting(); ok {
			for _, st := range p.Services {
				waits = append(waits, st.Name+"="+string(st.State))
			}
		}
		if got := strings.Join(waits, " "); got != step.waits {
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
}

// Each change of a service is reported once, with all that its status has.
func TestProgressHasEachChange(t *testing.T) {
	g := newProgress(nil)
	db, web := service.Status{Name: "db", Kind: service.KindService, State: service.Starting}, service.Status{Name: "web", Kind: service.KindService, State: service.Waiting}
	var got []string
	step := func(all ...service.Status) {
		for _, p := range g.see(all) {
			if p.Kind == localapi.ProgressState {
				for _, s := range p.Services {
					got = append(got, s.Name+"="+string(s.State)+s.Reason)
				}
			}
		}
	}
	step(db, web)
	step(db, web)
	db.State = service.Up
	step(db, web)
	web.State, web.Reason = service.Starting, "soon"
	step(db, web, service.Status{Name: "curl", Kind: service.KindRun, State: service.Up})
	if want := "db=starting web=waiting db=ready web=startingsoon"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}
