package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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

	// mu guards all below. It is never held while a process is started or
	// stopped, and it is taken before a runner's own lock, never after.
	mu        sync.Mutex
	runners   map[string]*runner
	order     []string
	runs      map[string]*Run
	endpoints []loopback.Endpoint
	conflicts map[string]home.Conflict // last refused bind of a service
	changed   chan struct{}            // closed and replaced at every change
	closed    bool

	// refreshing serializes reads of the endpoints, so that an older answer
	// never replaces a newer one. It is taken before mu.
	refreshing sync.Mutex

	cancel context.CancelFunc
	owned  sync.WaitGroup // the watcher of endpoints and the runners
}

// New gives a supervisor without services. Close ends it.
func New(project string, spec home.Spec, inside home.Inside, reaper *Reaper, store *logs.Store) *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Supervisor{
		inside: inside, reaper: reaper, logs: store, spec: spec, name: project,
		runners:   make(map[string]*runner),
		runs:      make(map[string]*Run),
		conflicts: make(map[string]home.Conflict),
		changed:   make(chan struct{}),
		cancel:    cancel,
	}
	s.owned.Add(1)
	go s.watchEndpoints(ctx)
	return s
}

// watchEndpoints keeps the list of endpoints as the kernel has it.
func (s *Supervisor) watchEndpoints(ctx context.Context) {
	defer s.owned.Done()
	exits, done := s.reaper.Exits()
	defer done()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.inside.Changes():
		case <-exits:
			if p, ok := s.inside.(interface{ ProcessExited() }); ok {
				p.ProcessExited()
			}
		case c := <-s.inside.Conflicts():
			s.mu.Lock()
			s.conflicts[c.Service] = c
			s.mu.Unlock()
			continue
		}
		_ = s.Refresh() // an error here is seen by whoever asks next
	}
}

// Refresh reads the endpoints anew.
func (s *Supervisor) Refresh() error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	eps, err := s.inside.Endpoints()
	if err != nil {
		return fmt.Errorf("list endpoints: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoints = eps
	s.broadcast()
	return nil
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

// Changed gives a channel that is closed at the next change of any status.
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
		out = append(out, st)
	}
	return out
}

// Define says which services there are, in order, with the environment that
// they get. Services that run with another definition are restarted; ones that
// are no longer named are stopped and dropped.
func (s *Supervisor) Define(ctx context.Context, specs []Spec, env []string) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errors.New("define services: the project is going down")
	}
	var drop []*runner
	named := make(map[string]bool)
	for _, sp := range specs {
		named[sp.Name] = true
	}
	for n, r := range s.runners {
		if !named[n] {
			drop = append(drop, r)
		}
	}
	s.mu.Unlock()
	for _, r := range drop {
		if err := r.stop(ctx); err != nil {
			return err
		}
		s.mu.Lock()
		delete(s.runners, r.spec.Name)
		s.mu.Unlock()
		r.close()
	}
	var restart []*runner
	s.mu.Lock()
	s.order = s.order[:0]
	for _, sp := range specs {
		s.order = append(s.order, sp.Name)
		r, ok := s.runners[sp.Name]
		if !ok {
			r = newRunner(s, sp, env)
			s.runners[sp.Name] = r
			s.owned.Add(1)
			go func() { defer s.owned.Done(); r.loop() }()
			continue
		}
		if r.redefine(sp, env) {
			restart = append(restart, r)
		}
	}
	s.broadcast()
	s.mu.Unlock()
	for _, r := range restart {
		r.expect()
		r.restart("its configuration changed")
	}
	return nil
}

// withNeeds gives the named services (all where none is named) and what they
// need, in the order in which they were defined.
func (s *Supervisor) withNeeds(names []string) ([]*runner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	want := make(map[string]bool)
	var add func(n string) error
	add = func(n string) error {
		if want[n] {
			return nil
		}
		r, ok := s.runners[n]
		if !ok {
			return fmt.Errorf("start service %s: no such service (there are: %v)", n, s.order)
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
// all are ready or one has failed.
func (s *Supervisor) Up(ctx context.Context, names []string) error {
	rs, err := s.withNeeds(names)
	if err != nil {
		return err
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
			return nil
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Restart restarts the named services, or all that run, and returns when they
// are ready again.
func (s *Supervisor) Restart(ctx context.Context, names []string) error {
	rs, err := s.named(names)
	if err != nil {
		return err
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
			return nil, fmt.Errorf("find service %s: no such service (there are: %v)", n, s.order)
		}
		out = append(out, r)
	}
	return out, nil
}

// Stop stops the named services, or all and every run, those that need
// another before the other.
func (s *Supervisor) Stop(ctx context.Context, names []string) error {
	all := len(names) == 0
	var runs []*Run
	if !all {
		s.mu.Lock()
		names = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
			r, ok := s.runs[n]
			if ok {
				runs = append(runs, r)
			}
			return ok
		})
		s.mu.Unlock()
	}
	var rs []*runner
	if all || len(names) > 0 {
		var err error
		if rs, err = s.named(names); err != nil {
			return err
		}
	}
	if all {
		s.mu.Lock()
		for _, r := range s.runs {
			runs = append(runs, r)
		}
		s.mu.Unlock()
	}
	errs := make(chan error, len(rs)+len(runs))
	// Each waits for those among them that need it.
	stopped := make(map[string]chan struct{})
	for _, r := range rs {
		stopped[r.name] = make(chan struct{})
	}
	for _, r := range rs {
		var after []chan struct{}
		for _, o := range rs {
			if slices.Contains(o.needs(), r.name) {
				after = append(after, stopped[o.name])
			}
		}
		go func() {
			defer close(stopped[r.name])
			r.abandon() // no new start while it waits for its turn
			for _, ch := range after {
				<-ch
			}
			errs <- r.stop(ctx)
		}()
	}
	for _, r := range runs {
		go func() { errs <- r.Stop(ctx) }()
	}
	var all2 []error
	for range len(rs) + len(runs) {
		all2 = append(all2, <-errs)
	}
	return errors.Join(all2...)
}

// Close stops everything and ends the supervisor. Nothing that it started
// survives, whatever ctx says of the grace time.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	err := s.Stop(ctx, nil)
	s.mu.Lock()
	rs := make([]*runner, 0, len(s.runners))
	for _, r := range s.runners {
		rs = append(rs, r)
	}
	s.mu.Unlock()
	for _, r := range rs {
		r.close()
	}
	err = errors.Join(err, s.killRest(ctx))
	s.cancel()
	s.owned.Wait()
	return err
}

// killRest ends what belongs to no service that is known any more.
func (s *Supervisor) killRest(ctx context.Context) error {
	exits, done := s.reaper.Exits()
	defer done()
	for {
		pids, err := s.inside.Pids("")
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := s.inside.Kill(""); err != nil {
			return err
		}
		select {
		case <-exits:
		case <-ctx.Done():
			return fmt.Errorf("end processes %v: %w", pids, ctx.Err())
		}
	}
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
