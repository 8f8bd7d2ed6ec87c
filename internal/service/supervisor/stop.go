package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Stop stops the named services, or all and every run, those that need
// another before the other. It returns when no process of theirs is left; what
// ctx ends is only the wait.
func (s *Supervisor) Stop(ctx context.Context, names []string) error {
	return s.stop(ctx, names, false)
}

// Rest stops the named services until a request asks for them by their name.
func (s *Supervisor) Rest(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	return s.stop(ctx, names, true)
}

func (s *Supervisor) stop(ctx context.Context, names []string, rest bool) error {
	var runs []*Run
	s.mu.Lock()
	all := len(names) == 0
	if all {
		for _, r := range s.runs {
			runs = append(runs, r)
		}
	}
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		r, ok := s.runs[n]
		if ok {
			runs = append(runs, r)
		}
		return ok
	})
	s.mu.Unlock()
	var rs []*runner
	if all || len(names) > 0 {
		var err error
		if rs, err = s.named(names); err != nil {
			return err
		}
	}
	for _, r := range rs {
		r.rests.Store(rest)
	}
	return stopAll(ctx, rs, runs)
}

// stopAll stops services, each after those among them that need it, and runs.
func stopAll(ctx context.Context, rs []*runner, runs []*Run) error {
	errs := make(chan error, len(rs)+len(runs))
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
				select {
				case <-ch:
				case <-ctx.Done(): // the caller waits no more: stop it all the same
				}
			}
			errs <- r.stop(ctx)
		}()
	}
	for _, r := range runs {
		go func() { errs <- r.Stop(ctx) }()
	}
	var joined []error
	for range len(rs) + len(runs) {
		joined = append(joined, <-errs)
	}
	return errors.Join(joined...)
}

// Close stops everything and ends the supervisor. Nothing that it started
// survives: when ctx ends, so do the grace times. Only a process that not even
// SIGKILL ends makes it give up, with an error.
func (s *Supervisor) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	_ = s.Stop(ctx, nil) // an error says that ctx ended, of which what follows takes care
	s.mu.Lock()
	rs := make([]*runner, 0, len(s.runners))
	for _, r := range s.runners {
		rs = append(rs, r)
	}
	s.mu.Unlock()
	for _, r := range rs {
		r.close() // also ends one that was started after it was stopped
	}
	err := errors.Join(s.awaitOver(ctx, rs), s.killRest())
	s.cancel()
	if err == nil {
		s.owned.Wait()
	}
	return err
}

const (
	killEvery = 50 * time.Millisecond
	// killTries is how often SIGKILL is sent before Close gives up.
	killTries = 200
)

// awaitOver waits until the runners have ended, and after ctx kills what they
// wait for.
func (s *Supervisor) awaitOver(ctx context.Context, rs []*runner) error {
	over := make(chan struct{})
	go func() {
		defer close(over)
		for _, r := range rs {
			<-r.over
		}
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
	}
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for range killTries {
		if err := s.inside.Kill(""); err != nil {
			return err
		}
		select {
		case <-over:
			return nil
		case <-tick.C:
		}
	}
	return fmt.Errorf("end the services: %w", ctx.Err())
}

// killRest ends what belongs to no service that is known any more.
func (s *Supervisor) killRest() error {
	exits, done := s.reaper.Exits()
	defer done()
	tick := time.NewTicker(killEvery)
	defer tick.Stop()
	for range killTries {
		pids, err := s.inside.Pids("")
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		if err := s.inside.Kill(""); err != nil {
			return err
		}
		select {
		case <-exits:
		case <-tick.C: // one that its own parent reaps gives no sign
		}
	}
	return errors.New("end the processes inside: some survive SIGKILL")
}
