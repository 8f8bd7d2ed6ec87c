package operation

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/selection"
	"lodge/internal/service"
)

// Result is what an operation made of a project.
type Result struct {
	// Projects has the project as it is listed after the operation, alone, or
	// nothing where it has ended meanwhile; nil if it was not read.
	Projects []localapi.Project
	// WasUp says that all services that were asked for ran before.
	WasUp bool
	// Name is the project's name when it was opened.
	Name string
}

// Ups is a start of services.
type Ups struct {
	Services []string // none: all
	Choice   Choice
	// Always reads the project again also after a start that failed.
	Always bool
	// Quiet reports no progress, only notices.
	Quiet bool
}

// Defined is a project that is open, with its services defined and not started
// yet.
type Defined struct {
	Daemon  Daemon
	Session *localapi.Session
	// Running says that all services that were asked for run already.
	Running bool
}

// Up starts the project's services, or those that are named and what they need,
// and returns when all are ready. The result is valid also with an error.
func (r *Runner) Up(ctx context.Context, u Ups) (Result, error) {
	var out Result
	err := r.Define(ctx, u, func(d Defined) error {
		out = Result{WasUp: d.Running, Name: d.Session.Project.Name}
		told := func(err error) error { return err }
		if !u.Quiet {
			told = tellProgress(ctx, r, d.Session, u.Services)
		}
		err := told(d.Session.Up(ctx, u.Services))
		return conclude(ctx, r, d.Daemon, d.Session, u.Always, err, &out)
	})
	return out, err
}

// conclude reads the project again after an operation that ended with err, which
// it returns.
func conclude(ctx context.Context, r *Runner, d Daemon, s *localapi.Session, always bool, err error, out *Result) error {
	if ctx.Err() != nil || err != nil && !always {
		return err
	}
	ps, perr := currentOf(ctx, r, d, s)
	out.Projects = ps
	if err == nil {
		return perr
	}
	return err
}

// Define reads the project's file, opens the project, defines its services, and
// calls do, which may start them. If the keeper ends meanwhile (an error that is
// [keeperapi.ErrGone]), all of that is done again.
func (r *Runner) Define(ctx context.Context, u Ups, do func(Defined) error) error {
	p, err := r.Load()
	if err != nil {
		return err
	}
	if err := p.NeedConfig(); err != nil {
		return &localapi.Error{Message: fmt.Sprintf("start project: %v", err), Hint: "write one, or run a single command: lodge run -- CMD"}
	}
	environ, err := environOf(ctx, r, p.Dir)
	if err != nil {
		return err
	}
	if err := p.Resolve(environ); err != nil {
		return err
	}
	for _, n := range u.Services {
		if _, ok := p.Service(n); !ok {
			return usage(fmt.Sprintf("start service %s: %s has no such service", n, p.ConfigPath), "there are: "+strings.Join(serviceNames(p), ", "))
		}
	}
	return withSession(ctx, r, p, u.Choice, func(d Daemon, s *localapi.Session) error {
		running, err := defineServices(ctx, r, d, p, s, u, environ)
		if err != nil {
			return err
		}
		return do(Defined{Daemon: d, Session: s, Running: running})
	})
}

// defineServices gives the keeper the services of the project's file, and reports whether
// those that are asked for run already.
func defineServices(ctx context.Context, r *Runner, d Daemon, p *project.Project, s *localapi.Session, u Ups, environ []string) (running bool, err error) {
	if u.Choice.Engine == "" && s.Project.Engine == "none" {
		note(r, NoticeNoEngine, fmt.Sprintf("no engine works here (%s): services get the address %s in LODGE_HOME, and no localhost of their own", s.Project.EngineReason, s.Project.Home))
	}
	before, err := s.Status(ctx)
	if err != nil {
		return false, err
	}
	if u.Choice.Isolation == "" {
		noteSettings(r, p, s.Project)
	}
	defined := specs(p, s.Project)
	setKeyLogs(p, defined, before.Services, u.Choice.KeyLog)
	if err := keepElsewhere(s.Project, before, defined, p.Dir); err != nil {
		return false, err
	}
	return runs(before, u.Services), s.DefineFrom(ctx, p.Dir, defined, trusting(ctx, r, d, environ))
}

// runs reports whether all of the services run.
func runs(p keeperapi.Project, names []string) bool {
	n := 0
	for _, s := range p.Services {
		if s.Kind != service.KindService || len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		if s.State != service.Up && s.State != service.Starting {
			return false
		}
		n++
	}
	return n > 0
}

// Patient returns a session's client whose calls wait also for a keeper that does
// not run. With told, Halted is told of that.
func (r *Runner) Patient(s *localapi.Session, told bool) keeperapi.Client {
	c := s.Client
	c.Waits = true
	if told {
		c.Halted = r.Halted
	}
	return c
}

// Restarts is a restart of services.
type Restarts struct {
	Services []string // none: all
	// Always reads the project again, also after a restart that failed.
	Always bool
	// Quiet reports no progress, only notices.
	Quiet bool
}

// Restart restarts services of a project that is up, with what its file says by
// now, and returns when they are ready. The result is valid also with an error.
func (r *Runner) Restart(ctx context.Context, x Restarts) (Result, error) {
	d, err := r.Connect(ctx)
	if err != nil {
		return Result{}, err
	}
	defer d.Close()
	st, err := findUp(ctx, r, d)
	if err != nil {
		return Result{}, err
	}
	out := Result{Name: st.Name}
	p, err := r.LoadOf(st)
	if err != nil {
		return out, err
	}
	environ, err := environOf(ctx, r, p.Dir)
	if err == nil {
		err = p.Resolve(environ)
	}
	if err != nil {
		return out, err
	}
	for _, n := range x.Services {
		if _, err := selection.Service(st, n); err != nil && !slices.Contains(serviceNames(p), n) {
			return out, err
		}
	}
	noteSettings(r, p, st)
	s := localapi.NewSession(st)
	defined := specs(p, st)
	setKeyLogs(p, defined, st.Services, nil)
	if err := s.DefineFrom(ctx, p.Dir, defined, trusting(ctx, r, d, environ)); err != nil {
		return out, err
	}
	told := func(err error) error { return err }
	if !x.Quiet {
		told = tellProgress(ctx, r, s, x.Services)
	}
	err = told(s.Restart(ctx, x.Services))
	if !x.Always {
		return out, err
	}
	return out, conclude(ctx, r, d, s, true, err, &out)
}
