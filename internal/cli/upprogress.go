package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

const (
	// progressAfter is when an `up` that waits first says what for, and
	// progressEvery how often it does so again, if that has changed.
	progressAfter = 2 * time.Second
	progressEvery = 10 * time.Second
)

// tellProgress tells while services start which have failed, and what is waited
// for. The function that it returns ends that; it takes what became of the start,
// tells of the failures that its error does not name, and returns it.
func (a *app) tellProgress(ctx context.Context, s *localapi.Session, names []string) func(error) error {
	watching, stop := context.WithCancel(ctx)
	states := make(chan keeperapi.Project, 1)
	var both sync.WaitGroup
	both.Go(func() {
		// Where it cannot be watched nothing is told; the start itself says why.
		_ = a.patient(s, false).Watch(watching, func(p keeperapi.Project) error {
			select { // the newest counts
			case <-states:
			default:
			}
			states <- p
			return nil
		})
	})
	g := &progress{names: names, told: make(map[string]bool)}
	both.Go(func() {
		timer := time.NewTimer(progressAfter)
		defer timer.Stop()
		for {
			select {
			case <-watching.Done():
				return
			case p := <-states:
				for _, text := range g.see(p.Services) {
					fmt.Fprintln(a.err, text)
				}
			case <-timer.C:
				if text := g.waitsFor(); text != "" {
					fmt.Fprintln(a.err, text)
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
					fmt.Fprintf(a.err, "lodge: start service %s: %s (hint: lodge logs %s)\n", f.Name, f.Reason, f.root)
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

// waitsMost is how many services are named that are waited for.
const waitsMost = 8

// progress is what is known of a start.
type progress struct {
	names []string
	begun bool
	told  map[string]bool // services whose failure was told, or is of before
	waits []string
	said  string
}

// see takes a state, and returns what is to be told of it at once: failures,
// while others are still waited for. At the end the failures are told anyway.
func (g *progress) see(all []service.Status) (out []string) {
	g.waits = nil
	var failed []service.Status
	for _, st := range wanted(all, g.names) {
		switch st.State {
		case service.Waiting, service.Starting, service.Stopping, service.Backoff:
			g.waits = append(g.waits, pending(st))
			delete(g.told, st.Name)
		case service.Failed:
			failed = append(failed, st)
		default:
			delete(g.told, st.Name)
		}
	}
	for _, st := range failed {
		if !g.told[st.Name] && (!g.begun || len(g.waits) > 0) {
			g.told[st.Name] = true
			if g.begun {
				out = append(out, fmt.Sprintf("%s failed: %s", st.Name, st.Reason))
			}
		}
	}
	g.begun = true
	return out
}

// waitsFor reports what is waited for; "" where it is nothing, or was said.
func (g *progress) waitsFor() string {
	shown := g.waits[:min(len(g.waits), waitsMost)]
	text := strings.Join(shown, ", ")
	if more := len(g.waits) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	if text == "" || text == g.said {
		return ""
	}
	g.said = text
	return "waiting for " + text
}

// pending reports what a service is waited for with.
func pending(st service.Status) string {
	switch {
	case st.State == service.Waiting && strings.HasPrefix(st.Reason, "for "):
		return fmt.Sprintf("%s (waits %s)", st.Name, st.Reason)
	case st.Reason != "":
		return fmt.Sprintf("%s (%s: %s)", st.Name, st.State, st.Reason)
	}
	return fmt.Sprintf("%s (%s)", st.Name, st.State)
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
