package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/event"
	"lodge/internal/service"
)

// Run is one command that was started inside by hand.
type Run struct {
	sup    *Supervisor
	name   string
	listed bool
	status service.Status // guarded by sup.mu, as what follows; changed by transition alone
	told   bool           // its transitions are published
	// listens is where it listens, as was told last.
	listens []event.Endpoint

	// begun is closed when pid is known, or that there is none: 0. main is closed
	// when the command itself has ended with result; gone when nothing that it
	// started is left.
	begun  chan struct{}
	pid    int
	main   chan struct{}
	gone   chan struct{}
	result service.ExitStatus
}

// shows reports whether the run is listed. The caller holds sup.mu.
func (r *Run) shows() bool { return r.listed || r.status.Exit != nil }

// Name is the name under which it shows.
func (r *Run) Name() string { return r.name }

// PID of the command's own process.
func (r *Run) PID() int { return r.pid }

// Done is closed when the command itself has ended; then Result is set.
func (r *Run) Done() <-chan struct{} { return r.main }

// Result is how the command ended.
func (r *Run) Result() service.ExitStatus { return r.result }

func (r *Run) wait(exit <-chan service.ExitStatus) {
	s := r.sup
	defer s.owned.Done()
	exits, done := s.reaper.Exits()
	defer done()
	r.result = <-exit
	tick := time.NewTicker(daemonCheck)
	defer tick.Stop()
	ended := false
	for {
		pids, err := s.inside.Pids(r.name)
		if err != nil || len(pids) == 0 {
			break
		}
		s.mu.Lock()
		r.transition(func(st *service.Status) {
			st.Ended(r.result)
			st.PID, st.Reason = pids[0], "its first process ended; others go on"
		})
		if !ended {
			s.broadcast()
		}
		s.mu.Unlock()
		if !ended {
			ended = true
			close(r.main)
		}
		select {
		case <-exits:
		case <-tick.C:
		}
	}
	// Before the name is free: not what the next command of this name has.
	_ = s.inside.Forget(r.name)
	s.mu.Lock()
	r.over()
	delete(s.runs, r.name)
	s.broadcast()
	s.mu.Unlock()
	if !ended {
		close(r.main) // only now: what waited for it finds it gone from the list
	}
	_ = s.Refresh()
	close(r.gone)
}

// Signal sends a signal to the command's process group.
func (r *Run) Signal(sig unix.Signal) error {
	if err := unix.Kill(-r.pid, sig); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// Stop ends the command and all that it started.
func (r *Run) Stop(ctx context.Context) error {
	select {
	case <-r.begun:
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", r.name, ctx.Err())
	}
	if r.pid == 0 {
		return nil // it did not start
	}
	halted := make(chan struct{})
	go func() {
		defer close(halted)
		select {
		case <-r.main:
			r.sup.reaper.Halt(r.sup.inside, r.name, r.pid, nil, true, unix.SIGTERM, service.DefaultStopGrace)
		default:
			// wait owns the exit status, so this only ends the processes.
			never := make(chan service.ExitStatus, 1)
			go func() {
				<-r.main
				never <- r.result
			}()
			r.sup.reaper.Halt(r.sup.inside, r.name, r.pid, never, false, unix.SIGTERM, service.DefaultStopGrace)
		}
	}()
	select {
	case <-r.gone:
		<-halted
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop %s: %w", r.name, ctx.Err())
	}
}
