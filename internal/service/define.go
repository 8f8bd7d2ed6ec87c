package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrClosed says that the supervisor ends and starts nothing any more.
var ErrClosed = errors.New("the project is going down")

// Define says which services there are, in order, with the environment that
// they get. Services that run with another definition are restarted; ones that
// are no longer named are stopped and dropped.
func (s *Supervisor) Define(ctx context.Context, specs []Spec, env []string) error {
	if err := check(specs); err != nil {
		return fmt.Errorf("define services: %w", err)
	}
	s.defining.Lock()
	defer s.defining.Unlock()
	if err := s.drop(ctx, specs); err != nil {
		return err
	}
	var restart []*runner
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("define services: %w", ErrClosed)
	}
	for _, sp := range specs {
		if _, ok := s.runs[sp.Name]; ok {
			s.mu.Unlock()
			return &Error{Service: sp.Name, Cause: "a command that runs has its name", Hint: "end that first: lodge down " + sp.Name}
		}
	}
	s.order = s.order[:0]
	for _, sp := range specs {
		s.order = append(s.order, sp.Name)
		r, ok := s.runners[sp.Name]
		if !ok {
			r = newRunner(s, sp, env)
			s.runners[sp.Name] = r
			go r.loop() // Close waits for its end
			continue
		}
		if r.redefine(sp, env) {
			r.expect()
			restart = append(restart, r)
		}
	}
	s.broadcast()
	s.mu.Unlock()
	for _, r := range restart {
		r.restart("its configuration changed")
	}
	return nil
}

// drop stops the services that specs does not name, and forgets them.
func (s *Supervisor) drop(ctx context.Context, specs []Spec) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("define services: %w", ErrClosed)
	}
	var drop []*runner
	for n, r := range s.runners {
		if !slices.ContainsFunc(specs, func(sp Spec) bool { return sp.Name == n }) {
			drop = append(drop, r)
		}
	}
	s.mu.Unlock()
	if err := stopAll(ctx, drop, nil); err != nil {
		return err
	}
	s.mu.Lock()
	for _, r := range drop {
		// What is in order is in runners, whenever somebody looks.
		s.order = slices.DeleteFunc(s.order, func(n string) bool { return n == r.name })
		delete(s.runners, r.name)
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
// there is told when somebody starts the service that needs it.
func check(specs []Spec) error {
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
