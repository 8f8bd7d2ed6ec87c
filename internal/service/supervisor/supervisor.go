// Package supervisor runs the services of one project: it starts them in the order of
// their needs, tells when they are ready, restarts them, stops them whole, and leases
// ports and listening sockets to them.
//
// It starts processes only through a home.Inside, so it does not know how a home is made.
package supervisor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"lodge/internal/event"
	"lodge/internal/home"
	"lodge/internal/logs"
	"lodge/internal/service"
	"lodge/internal/service/reaper"
	"lodge/internal/service/settle"
)

// Supervisor runs the services of one project.
//
// It is made of layers, as a runner is: what the project has (roster), where that
// listens (endpointTable), and how one service reaches another (directory).
type Supervisor struct {
	directory
	// defining serializes definitions, each of which stops and starts. It is taken
	// before refreshing and mu.
	defining sync.Mutex

	cancel context.CancelFunc
	owned  sync.WaitGroup // the watcher of endpoints, and one for each run
}

// New returns a supervisor without services. keyLog makes the file to which programs
// write the keys of their TLS connections, and returns its path. Close ends the supervisor.
func New(project string, spec home.Spec, inside home.Inside, reaper *reaper.Reaper, store *logs.Store, keyLog func() (string, error)) *Supervisor {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Supervisor{cancel: cancel}
	s.roster = roster{
		inside: inside, reaper: reaper, logs: store, spec: spec, name: project, control: settle.Control, keyLog: keyLog,
		events:    event.NewBus(rand.Text()[:streamLetters], maxTransitions),
		worker:    settle.DefaultIdle(),
		runners:   make(map[string]*runner),
		runs:      make(map[string]*Run),
		had:       make(map[string][]uint16),
		conflicts: make(map[string]home.Conflict),
		changed:   make(chan struct{}),
	}
	s.owned.Go(func() { s.watchEndpoints(ctx) })
	return s
}

// Status lists the services in the order of the configuration, then the runs.
func (s *Supervisor) Status() []service.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]service.Status, 0, len(s.order)+len(s.runs))
	for _, n := range s.order {
		st := s.runners[n].status()
		st.Endpoints = s.endpointsOf(n)
		st.Scheme = service.SchemeOf(&st)
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
		st.Scheme = service.SchemeOf(&st)
		out = append(out, st)
	}
	return out
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
// needs, and returns the others.
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
			var e *service.Error
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

// Idle says that no service and no run is there that has a process or will
// have one.
func (s *Supervisor) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.runs) > 0 {
		return false
	}
	for _, r := range s.runners {
		if st := r.status().State; st != service.Stopped {
			return false
		}
	}
	return true
}

// ExecAs returns the environment and the directory of a service, for a command
// that is run as that service. One that is not defined here is given as sp, with
// base as its environment. base is that of the client, and of a service
// that is defined here only what it says of the terminal counts. With keyLog the
// command writes the keys of its TLS connections, also where the service does not.
func (s *Supervisor) ExecAs(name string, sp *service.Spec, base []string, keyLog bool) (env []string, dir string, err error) {
	s.mu.Lock()
	r := s.runners[name]
	order := strings.Join(s.order, ", ")
	s.mu.Unlock()
	switch {
	case r != nil:
		caller := base
		var def service.Spec
		def, base = r.definition()
		sp = &def
		for _, key := range []string{"TERM", "COLORTERM"} {
			if v, ok := service.Getenv(caller, key); ok {
				base = service.MergeEnv(base, key+"="+v)
			}
		}
	case sp != nil:
		r = newRunner(s, *sp, base) // it is never started
	default:
		return nil, "", fmt.Errorf("run as service %s: no such service (there are: %s)", name, order)
	}
	as := *sp
	if keyLog && as.KeyLog == "" {
		as.KeyLog = service.KeyLogAsked
	}
	env, err = r.environ(as, base)
	if err != nil {
		return nil, "", &service.Error{Service: name, Verb: "run as", Cause: err.Error(), Hint: "start what it needs: lodge up -d " + name}
	}
	return env, sp.Dir, nil
}

// Start starts a command inside. A listed one shows among the services under
// name, made unique by a number; another shows only if it leaves something
// behind that goes on.
func (s *Supervisor) Start(cmd home.Command, name string, listed bool, command string) (*Run, error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, fmt.Errorf("start command: %w", ErrClosed)
	}
	unique := name
	for i := 2; s.taken(unique); i++ {
		unique = fmt.Sprintf("%s-%d", name, i)
	}
	now := time.Now().UTC()
	r := &Run{sup: s, name: unique, listed: listed, begun: make(chan struct{}), main: make(chan struct{}), gone: make(chan struct{})}
	r.status = service.Status{Name: unique, Kind: service.KindRun, State: service.Starting, Command: command, Dir: cmd.Dir, StartedAt: &now}
	s.runs[unique] = r
	r.transition(func(*service.Status) {})
	s.owned.Add(1) // not after closed, so not while Close waits
	s.mu.Unlock()

	cmd.Service = unique
	pid, exit, err := s.reaper.Start(func() (int, error) { return s.inside.Start(cmd) })
	if err != nil {
		_ = s.inside.Forget(unique) // at worst an empty cgroup, which Close removes
		s.mu.Lock()
		r.transition(func(st *service.Status) { st.State, st.Reason = service.Failed, err.Error() })
		delete(s.runs, unique)
		s.broadcast()
		s.mu.Unlock()
		s.owned.Done()
		close(r.begun)
		close(r.gone)
		return nil, fmt.Errorf("run %s: %w", filepath.Base(cmd.Path), err)
	}
	r.pid = pid
	close(r.begun)
	s.mu.Lock()
	r.transition(func(st *service.Status) { st.PID, st.State = pid, service.Up })
	s.broadcast()
	s.mu.Unlock()
	go r.wait(exit)
	return r, nil
}
