package supervisor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lodge/internal/service"
)

// ErrClosed says that the supervisor ends and starts nothing any more.
var ErrClosed = errors.New("the project is going down")

// Define reports which services there are, in order, with the environment that
// they get. Services that run with another definition are restarted; ones that
// are no longer named are stopped and dropped.
func (s *Supervisor) Define(ctx context.Context, specs []service.Spec, env []string) error {
	if err := check(specs); err != nil {
		return fmt.Errorf("define services: %w", err)
	}
	s.defining.Lock()
	defer s.defining.Unlock()
	drop, restart, err := s.redefine(specs, env)
	if err != nil {
		return err
	}
	// First what goes: it may have the ports of what comes.
	err = s.drop(ctx, drop)
	for _, r := range restart {
		r.expect()
		r.restart("its configuration changed")
	}
	return err
}

// redefine takes the definitions, and says which services must go and which
// must be restarted.
func (s *Supervisor) redefine(specs []service.Spec, env []string) (drop, restart []*runner, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fmt.Errorf("define services: %w", ErrClosed)
	}
	for _, sp := range specs {
		if _, ok := s.runs[sp.Name]; ok {
			return nil, nil, &service.Error{Service: sp.Name, Cause: "a command that runs has its name", Hint: "end that first: lodge down " + sp.Name}
		}
	}
	s.order = s.order[:0]
	for _, sp := range specs {
		s.order = append(s.order, sp.Name)
		r, ok := s.runners[sp.Name]
		if !ok {
			r = newRunner(s, sp, env)
			s.runners[sp.Name] = r
			r.created()
			go r.loop() // Close waits for its end
			continue
		}
		if r.redefine(sp, env) {
			restart = append(restart, r)
		}
	}
	for n, r := range s.runners {
		if !slices.Contains(s.order, n) {
			drop = append(drop, r)
		}
	}
	s.broadcast()
	return drop, restart, nil
}

// drop stops services and forgets them. One whose stop is not awaited is
// dropped by the next definition.
func (s *Supervisor) drop(ctx context.Context, drop []*runner) error {
	if err := stopAll(ctx, drop, nil); err != nil {
		return err
	}
	s.mu.Lock()
	for _, r := range drop {
		delete(s.runners, r.name)
		r.removed()
		r.close()
	}
	s.broadcast()
	s.mu.Unlock()
	for _, r := range drop {
		select {
		case <-r.over:
		case <-ctx.Done():
			return fmt.Errorf("drop service %s: %w", r.name, ctx.Err())
		}
	}
	return nil
}

// check refuses definitions that cannot be carried out. What is needed but not
// there is told when the service is started that needs it.
func check(specs []service.Spec) error {
	needs := make(map[string][]string)
	for _, sp := range specs {
		switch {
		case sp.Name == "":
			return errors.New("one has no name")
		case len(sp.Argv) == 0 || sp.Argv[0] == "":
			return fmt.Errorf("%s has no command", sp.Name)
		}
		if _, ok := needs[sp.Name]; ok {
			return fmt.Errorf("two are called %s", sp.Name)
		}
		needs[sp.Name] = sp.Needs
	}
	const seen, done = 1, 2
	state := make(map[string]int)
	var visit func(n string) error
	visit = func(n string) error {
		switch state[n] {
		case done:
			return nil
		case seen:
			return fmt.Errorf("%s needs itself, directly or through others", n)
		}
		state[n] = seen
		for _, m := range needs[n] {
			if err := visit(m); err != nil {
				return err
			}
		}
		state[n] = done
		return nil
	}
	for _, sp := range specs {
		if err := visit(sp.Name); err != nil {
			return err
		}
	}
	return nil
}
