package service

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/event"
	"lodge/internal/home"
	"lodge/internal/logs"
	"lodge/internal/loopback"
)

// Supervisor runs the services of one project.
type Supervisor struct {
	inside home.Inside
	reaper *Reaper
	logs   *logs.Store
	spec   home.Spec
	name   string // of the project, for the environment
	events *event.Bus
	// control is settleControl; a test sets another before the first definition.
	control time.Duration
	// worker says when a service is taken for a worker; likewise.
	worker workerTimes

	// mu guards all below. It is never held while a process is started or
	// stopped, and it is taken before a runner's own lock, never after.
	mu        sync.Mutex
	runners   map[string]*runner
	order     []string
	runs      map[string]*Run
	endpoints []loopback.Endpoint
	read      time.Time                // when the kernel was asked for endpoints
	moved     time.Time                // when they last differed from those before
	had       map[string][]uint16      // the ports of each service's last endpoints
	conflicts map[string]home.Conflict // last refused bind of a service
	changed   chan struct{}            // closed and replaced at every change
	closed    bool

	// refreshing serializes reads of the endpoints, so that an older answer
	// never replaces a newer one. defining serializes definitions, each of
	// which stops and starts. Both are taken before mu.
	refreshing sync.Mutex
	defining   sync.Mutex

	cancel context.CancelFunc
	owned  sync.WaitGroup // the watcher of endpoints, and one for each run
}

// New returns a supervisor without services. Close ends it.
func New(project string, spec home.Spec, inside home.Inside, reaper *Reaper, store *logs.Store) *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Supervisor{
		inside: inside, reaper: reaper, logs: store, spec: spec, name: project, control: settleControl,
		events:    event.NewBus(rand.Text()[:streamLetters], maxTransitions),
		worker:    workerTimes{workerLeast, workerQuiet, workerEvery},
		runners:   make(map[string]*runner),
		runs:      make(map[string]*Run),
		had:       make(map[string][]uint16),
		conflicts: make(map[string]home.Conflict),
		changed:   make(chan struct{}),
		cancel:    cancel,
	}
	s.owned.Add(1)
	go s.watchEndpoints(ctx)
	return s
}

// broadcast tells everyone that something changed. Call it with mu held.
func (s *Supervisor) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Supervisor) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broadcast()
}

// Changed returns a channel that is closed at the next change of any status.
// Take it before reading the status.
func (s *Supervisor) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Supervisor) endpointsOf(service string) []loopback.Endpoint {
	out := []loopback.Endpoint{}
	for _, e := range s.endpoints {
		if e.Service == service {
			out = append(out, e)
		}
	}
	return out
}

// Status lists the services in the order of the configuration, then the runs.
func (s *Supervisor) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Status, 0, len(s.order)+len(s.runs))
	for _, n := range s.order {
		st := s.runners[n].status()
		st.Endpoints = s.endpointsOf(n)
		st.Scheme = schemeOf(&st)
		if len(st.Endpoints) == 0 {
			st.LastPorts = s.had[n]
		}
		out = append(out, st)
	}
	names := make([]string, 0, len(s.runs))
	for n, r := range s.runs {
		if r.shows() {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	for _, n := range names {
		st := s.runs[n].status
		st.Endpoints = s.endpointsOf(n)
		st.Scheme = schemeOf(&st)
		out = append(out, st)
	}
	return out
}

// withNeeds returns the named services (all where none is named) and what they
// need, in the order in which they were defined.
func (s *Supervisor) withNeeds(names []string) ([]*runner, error) {
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

// Up starts the named services, or all, and what they need, and returns when
// each is ready or has failed. The error is that of one that failed by itself,
// with the last lines of its output.
func (s *Supervisor) Up(ctx context.Context, names []string) error {
	rs, err := s.withNeeds(names)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		rs = armed(rs)
	}
	// All are expected before the first is told: one that needs another must
	// not see the other's state of before.
	for _, r := range rs {
		r.expect()
	}
	for _, r := range rs {
		r.start()
	}
	return s.waitReady(ctx, rs)
}

// armed arms the services that start on request and that none of the others
// needs, and gives the others.
func armed(rs []*runner) []*runner {
	needed := make(map[string]bool)
	// What needs a service comes after it, or before: look until nothing is new.
	for more := true; more; {
		more = false
		for _, r := range rs {
			sp, _ := r.definition()
			if sp.OnRequest && !needed[r.name] {
				continue
			}
			for _, n := range sp.Needs {
				more = more || !needed[n]
				needed[n] = true
			}
		}
	}
	var out []*runner
	for _, r := range rs {
		if sp, _ := r.definition(); sp.OnRequest && !needed[r.name] {
			r.arm()
			continue
		}
		out = append(out, r)
	}
	return out
}

func (s *Supervisor) waitReady(ctx context.Context, rs []*runner) error {
	for {
		ch := s.Changed()
		all := true
		var failed error
		for _, r := range rs {
			st, why := r.settled()
			all = all && st
			// The cause is the service that failed by itself, not the ones that
			// only needed it.
			var e *Error
			if why != nil && (failed == nil || errors.As(failed, &e) && e.Hint == hintNeeds) {
				failed = why
			}
		}
		if failed != nil && all {
			return failed
		}
		if all {
			if s.recent(namesOf(rs)) {
				return nil
			}
			continue
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func namesOf(rs []*runner) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.name)
	}
	return out
}

// Restart restarts the named services, or all that are not stopped, and returns
// when they are ready again.
func (s *Supervisor) Restart(ctx context.Context, names []string) error {
	rs, err := s.named(names)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		rs = slices.DeleteFunc(rs, func(r *runner) bool { return isAtRest(r.status().State) })
	}
	for _, r := range rs {
		r.expect()
	}
	for _, r := range rs {
		r.restart("asked to")
	}
	return s.waitReady(ctx, rs)
}

func (s *Supervisor) named(names []string) ([]*runner, error) {
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

// Idle says that no service and no run is there that has a process or will
// have one.
func (s *Supervisor) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.runs) > 0 {
		return false
	}
	for _, r := range s.runners {
		if st := r.status().State; st != Stopped {
			return false
		}
	}
	return true
}

// Others lists endpoints in the home that belong to no service that is shown,
// such as one of a command that was run by `lodge exec`.
func (s *Supervisor) Others() []loopback.Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []loopback.Endpoint
	for _, e := range s.endpoints {
		_, svc := s.runners[e.Service]
		run, ok := s.runs[e.Service]
		if !svc && (!ok || !run.shows()) {
			out = append(out, e)
		}
	}
	return out
}
