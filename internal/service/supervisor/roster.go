package supervisor

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/event"
	"lodge/internal/home"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/service/reaper"
	"lodge/internal/service/settle"
)

// roster is what a project has: its services and commands, and where they listen,
// guarded by one lock. It publishes what changes.
type roster struct {
	inside home.Inside
	reaper *reaper.Reaper
	logs   *logs.Store
	spec   home.Spec
	name   string // of the project, for the environment
	events *event.Bus
	// keyLog makes the file of TLS keys, and returns its path.
	keyLog func() (string, error)
	// control is settle.Control; a test sets another before the first definition.
	control time.Duration
	// worker says when a service is taken for a worker; likewise.
	worker settle.IdleTimes

	// mu guards all below. It is never held while a process is started or
	// stopped, and it is taken before a runner's own lock, never after.
	mu        sync.Mutex
	runners   map[string]*runner
	order     []string
	runs      map[string]*Run
	endpoints []loopback.Endpoint
	readings                           // of endpoints
	had       map[string][]uint16      // the ports of each service's last endpoints
	conflicts map[string]home.Conflict // last refused bind of a service
	changed   chan struct{}            // closed and replaced at every change
	closed    bool
}

// broadcast wakes all that wait for a change. The caller holds mu.
func (s *roster) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *roster) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcast()
}

// Changed returns a channel that is closed at the next change of any status.
// Take it before reading the status.
func (s *roster) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *roster) endpointsOf(service string) []loopback.Endpoint {
	out := []loopback.Endpoint{}
	for _, e := range s.endpoints {
		if e.Service == service {
			out = append(out, e)
		}
	}
	return out
}

func (s *roster) named(names []string) ([]*runner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(names) == 0 {
		names = s.order
	}
	var out []*runner
	for _, n := range names {
		r, ok := s.runners[n]
		if !ok {
			return nil, fmt.Errorf("find service %s: no such service (there are: %s)", n, strings.Join(s.order, ", "))
		}
		if !slices.Contains(out, r) {
			out = append(out, r)
		}
	}
	return out, nil
}

// withNeeds returns the named services (all where none is named) and what they
// need, in the order in which they were defined.
func (s *roster) withNeeds(names []string) ([]*runner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("start services: %w", ErrClosed)
	}
	want := make(map[string]bool)
	var add func(n string) error
	add = func(n string) error {
		if want[n] {
			return nil
		}
		r, ok := s.runners[n]
		if !ok {
			return fmt.Errorf("start service %s: no such service (there are: %s)", n, strings.Join(s.order, ", "))
		}
		want[n] = true
		for _, d := range r.spec.Needs {
			if err := add(d); err != nil {
				return err
			}
		}
		return nil
	}
	if len(names) == 0 {
		names = s.order
	}
	for _, n := range names {
		if err := add(n); err != nil {
			return nil, err
		}
	}
	var out []*runner
	for _, n := range s.order {
		if want[n] {
			out = append(out, s.runners[n])
		}
	}
	return out, nil
}

// taken reports whether a name is in use. The caller holds mu.
func (s *roster) taken(name string) bool {
	_, svc := s.runners[name]
	_, run := s.runs[name]
	return svc || run
}
