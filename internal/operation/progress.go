package operation

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

const (
	// progressAfter is when a start that waits first tells what for, and
	// progressEvery how often it does so again, if that has changed.
	progressAfter = 2 * time.Second
	progressEvery = 10 * time.Second
)

// tellProgress reports while services start which have changed, which have
// failed, and what is waited for. The returned function ends that; it takes the
// error of the start, reports the failures that the error does not name, and
// returns it.
func tellProgress(ctx context.Context, r *Runner, s *localapi.Session, names []string) func(error) error {
	watching, stop := context.WithCancel(ctx)
	states := make(chan keeperapi.Project, 1)
	var both sync.WaitGroup
	both.Go(func() {
		// Where it cannot be watched nothing is told; the start itself says why.
		_ = r.Patient(s, false).Watch(watching, func(p keeperapi.Project) error {
			select { // the newest counts
			case <-states:
			default:
			}
			states <- p
			return nil
		})
	})
	g := newProgress(names)
	both.Go(func() {
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		for {
			select {
			case <-watching.Done():
				return
			case p := <-states:
				for _, told := range g.see(p.Services) {
					r.Tell(told)
				}
			case <-timer.C:
				if told, ok := g.waiting(); ok {
					r.Tell(told)
				}
				timer.Reset(progressEvery)
			}
		}
	})
	return func(err error) error {
		stop()
		both.Wait()
		var e *keeperapi.Error
		if !errors.As(err, &e) || e.Service == "" {
			return err
		}
		if p, serr := s.Status(ctx); serr == nil {
			for _, f := range failures(wanted(p.Services, names)) {
				if f.Name != e.Service {
					r.Tell(localapi.Progress{Kind: localapi.ProgressFailed, Services: []service.Status{f.Status}, Error: &localapi.Error{
						Message: fmt.Sprintf("start service %s: %s", f.Name, f.Reason), Service: f.root, Hint: "lodge logs " + f.root,
					}})
				}
			}
		}
		return err
	}
}

// failure is a service that has failed, and the one whose log says why: its own,
// or that of one that it needs.
type failure struct {
	service.Status
	root string
}

// failures returns those of all that have failed, first those that did so by
// themselves.
func failures(all []service.Status) (out []failure) {
	failed := make(map[string]service.Status)
	for _, st := range all {
		if st.State == service.Failed {
			failed[st.Name] = st
		}
	}
	for _, st := range all {
		if st.State != service.Failed {
			continue
		}
		root := st
		for range failed { // needs are no circle, and this ends if they were
			i := slices.IndexFunc(root.Needs, func(n string) bool { _, ok := failed[n]; return ok })
			if i < 0 {
				break
			}
			root = failed[root.Needs[i]]
		}
		out = append(out, failure{st, root.Name})
	}
	slices.SortStableFunc(out, func(a, b failure) int {
		switch own, other := a.root == a.Name, b.root == b.Name; {
		case own == other:
			return 0
		case own:
			return -1
		}
		return 1
	})
	return out
}

// progress is what is known of a start.
type progress struct {
	names []string
	begun bool
	last  map[string]service.Status
	told  map[string]bool // services whose failure was told, or is of before
	waits []service.Status
	said  string
}

func newProgress(names []string) *progress {
	return &progress{names: names, last: make(map[string]service.Status), told: make(map[string]bool)}
}

// see takes a state, and returns what is reported of it at once: the services
// that changed, and failures while others are still waited for. At the end the
// failures are reported anyway.
func (g *progress) see(all []service.Status) (out []localapi.Progress) {
	g.waits = nil
	var failed, changed []service.Status
	for _, st := range wanted(all, g.names) {
		if old, ok := g.last[st.Name]; !ok || !reflect.DeepEqual(old, st) {
			changed = append(changed, st)
			g.last[st.Name] = st
		}
		switch st.State {
		case service.Waiting, service.Starting, service.Stopping, service.Backoff:
			g.waits = append(g.waits, st)
			delete(g.told, st.Name)
		case service.Failed:
			failed = append(failed, st)
		default:
			delete(g.told, st.Name)
		}
	}
	if len(changed) > 0 {
		out = append(out, localapi.Progress{Kind: localapi.ProgressState, Services: changed})
	}
	for _, st := range failed {
		if !g.told[st.Name] && (!g.begun || len(g.waits) > 0) {
			g.told[st.Name] = true
			if g.begun {
				out = append(out, localapi.Progress{Kind: localapi.ProgressFailed, Services: []service.Status{st}})
			}
		}
	}
	g.begun = true
	return out
}

// waiting reports what is waited for; not ok where it is nothing, or was
// reported.
func (g *progress) waiting() (told localapi.Progress, ok bool) {
	var text strings.Builder
	for _, st := range g.waits {
		fmt.Fprintf(&text, "%s %s %s\n", st.Name, st.State, st.Reason)
	}
	if text.Len() == 0 || text.String() == g.said {
		return told, false
	}
	g.said = text.String()
	return localapi.Progress{Kind: localapi.ProgressWaiting, Services: g.waits}, true
}

// wanted returns the services that were named, and what they need; all where none
// is named.
func wanted(all []service.Status, names []string) []service.Status {
	want := slices.Clone(names)
	for i := 0; i < len(want); i++ {
		for _, st := range all {
			if st.Name == want[i] {
				for _, n := range st.Needs {
					if !slices.Contains(want, n) {
						want = append(want, n)
					}
				}
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(st service.Status) bool {
		return st.Kind != service.KindService || len(names) > 0 && !slices.Contains(want, st.Name)
	})
}
