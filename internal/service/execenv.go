package service

import (
	"fmt"
	"slices"
	"strings"

	"lodge/internal/refs"
)

// ExecEnv returns the environment of a command that is run inside by hand: base,
// where every service is reached that listens (NAME_HOST, NAME_PORT and
// NAME_URL), and over both own, which holds texts for [refs.Expand].
func (s *Supervisor) ExecEnv(base, own []string) ([]string, error) {
	s.mu.Lock()
	names := slices.Clone(s.order)
	s.mu.Unlock()
	env := MergeEnv(base, "LODGE_PROJECT="+s.name, "LODGE_HOME="+s.spec.IP4.String())
	env = MergeEnv(env, s.peersEnv(names)...)
	for _, kv := range own {
		v, err := refs.Expand(kv, s.fact)
		if err != nil {
			name, _, _ := strings.Cut(kv, "=")
			return nil, fmt.Errorf("set %s: %w", name, err)
		}
		env = MergeEnv(env, v)
	}
	if _, ok := Getenv(env, "PATH"); !ok {
		env = append(env, "PATH="+DefaultPath)
	}
	return env, nil
}

// ExecAs returns the environment and the directory of a service, for a command
// that is run as that service. One that is not defined here is given as sp, with
// base as its environment. base is that of who runs the command, and of a service
// that is defined here only what it says of the terminal counts.
func (s *Supervisor) ExecAs(name string, sp *Spec, base []string) (env []string, dir string, err error) {
	s.mu.Lock()
	r := s.runners[name]
	order := strings.Join(s.order, ", ")
	s.mu.Unlock()
	switch {
	case r != nil:
		caller := base
		var def Spec
		def, base = r.definition()
		sp = &def
		for _, key := range []string{"TERM", "COLORTERM"} {
			if v, ok := Getenv(caller, key); ok {
				base = MergeEnv(base, key+"="+v)
			}
		}
	case sp != nil:
		r = newRunner(s, *sp, base) // it is never started
	default:
		return nil, "", fmt.Errorf("run as service %s: no such service (there are: %s)", name, order)
	}
	env, err = r.environ(*sp, base)
	if err != nil {
		return nil, "", &Error{Service: name, Verb: "run as", Cause: err.Error(), Hint: "start what it needs: lodge up -d " + name}
	}
	return env, sp.Dir, nil
}
