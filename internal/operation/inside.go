package operation

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
)

// Command is a command to run inside a project, in the caller's directory.
type Command struct {
	Argv   []string
	Name   string // in lists; "": the program's
	Listed bool   // it shows among the services, and its output is kept
	As     string // the service whose environment and directory it has, or ""
	// Names asks for a hosts file of its own with the names of all projects.
	// Privileged says that this costs the caller nothing (root, outside of any user
	// namespace), so that it need not be asked for.
	Names, Privileged bool
	Choice            Choice
}

// seesNames reports whether the command gets a hosts file of its own. For an
// ordinary user that has a price: a user namespace, from which it cannot look into
// the processes outside. lodge itself asks its daemon for names.
func (x *Command) seesNames(n localapi.HostNames) bool {
	if n.Resolved {
		return false
	}
	if x.Names || x.Privileged {
		return true
	}
	if filepath.Base(x.Argv[0]) == "lodge" {
		return false
	}
	for name := range strings.FieldsSeq(n.Lines) {
		if _, err := netip.ParseAddr(name); err == nil || !strings.Contains(name, ".") {
			continue
		}
		if slices.ContainsFunc(x.Argv, func(arg string) bool { return strings.Contains(arg, name) }) {
			return true
		}
	}
	return false
}

// Inside opens the project that is meant, or takes the one that is up, and calls
// do with what its keeper is asked for, to run the command. If the keeper ends
// before the command began, all of that is done again.
func (r *Runner) Inside(ctx context.Context, in Command, do func(*localapi.Session, keeperapi.Exec) error) error {
	if len(in.Argv) == 0 {
		return usage("run command: there is none", "name one")
	}
	p, loadErr := r.Load()
	if loadErr == nil && r.Project == "" {
		environ, err := environOf(ctx, r, p.Dir)
		if err != nil {
			return err
		}
		loadErr = p.ResolveFor(environ, in.As)
	}
	if r.Project != "" || loadErr != nil {
		// The project that is up can be entered, whatever its file says by now.
		p = nil
	}
	if in.Name != "" && !project.ValidName(in.Name) {
		return usage(fmt.Sprintf("name the command %q: not a name", in.Name), "lower-case letters, digits and hyphens")
	}
	if in.Name == "" {
		in.Name = project.MakeName(filepath.Base(in.Argv[0]))
	}
	asked := keeperapi.Exec{Argv: in.Argv, Dir: r.Dir, Name: in.Name, Command: strings.Join(in.Argv, " "), Listed: in.Listed, As: in.As}
	prepared := func(d Daemon, s *localapi.Session) error {
		x := asked
		if err := commandEnviron(ctx, r, &x, p, s, in.Choice.KeyLog); err != nil {
			return err
		}
		n, err := d.HostNames(ctx)
		if err != nil {
			return err
		}
		if in.seesNames(n) {
			x.Hosts = n.Lines
		}
		return do(s, x)
	}
	if p == nil {
		return withRunning(ctx, r, in.Choice, loadErr, prepared)
	}
	return withSession(ctx, r, p, in.Choice, prepared)
}

// commandEnviron sets what the project's file says of a command's environment. p
// is the project, or nil where its file is not the one here or cannot be read; asked says
// whether the command writes keys, where that is asked for.
func commandEnviron(ctx context.Context, r *Runner, x *keeperapi.Exec, p *project.Project, s *localapi.Session, asked *bool) error {
	if p == nil {
		var err error
		if p, err = r.LoadOf(s.Project); err == nil {
			var environ []string
			if environ, err = environOf(ctx, r, s.Project.Path); err == nil {
				err = p.ResolveFor(environ, x.As)
			}
		}
		if err != nil {
			note(r, NoticeNoEnviron, fmt.Sprintf("the command does without the project's environment: %v", err))
			p = nil
		}
	}
	x.KeyLog = asked != nil && *asked // a service says so itself
	if x.As == "" {
		x.KeyLog = commandKeyLog(p, asked)
		if p != nil {
			x.Env = commandVariables(p)
		}
		return nil
	}
	known := []string{}
	if p != nil {
		known = serviceNames(p)
		defined := specs(p, s.Project)
		setKeyLogs(p, defined, nil, asked)
		for _, sp := range defined {
			if sp.Name == x.As {
				x.Spec = &sp
			}
		}
	}
	if x.Spec != nil {
		return nil
	}
	st, err := s.Status(ctx)
	if err != nil {
		return err
	}
	for _, q := range st.Services {
		if q.Name == x.As && q.Kind == service.KindService {
			return nil
		}
		if q.Kind == service.KindService && !slices.Contains(known, q.Name) {
			known = append(known, q.Name)
		}
	}
	hint := "there are none"
	if len(known) > 0 {
		hint = "there are: " + strings.Join(known, ", ")
	}
	return usage(fmt.Sprintf("run as service %s: no such service", x.As), hint)
}
