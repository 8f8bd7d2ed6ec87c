package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
	"lodge/internal/stall"
)

func (a *app) upCommand() *cobra.Command {
	var detach, asJSON bool
	var ch choices
	c := &cobra.Command{
		Use:   "up [SERVICE...]",
		Short: "Start the project here, in its own localhost",
		Long: "Start the services of the project in the working directory, or those named and what they need.\n" +
			"Attached, it shows their output, and Ctrl-C stops all; Ctrl-\\ kills all. With -d it returns when all are ready.\n\n" +
			"After Ctrl-C its exit status is 130, and 128 and the number after another signal. When lodge itself is killed\n" +
			"(kill -9) the services go on: lodge ls shows them, lodge up shows their output again, lodge down ends them.",
		Example: `  lodge up                 all services, with their output, until Ctrl-C
  lodge up -d web          web and what it needs, in the background
  lodge up --engine seccomp --isolation strict`,
		RunE: func(c *cobra.Command, names []string) error { return a.up(c.Context(), names, detach, asJSON, ch) },
	}
	c.Flags().BoolVarP(&detach, "detach", "d", false, "return when all are ready, and leave them running")
	c.Flags().BoolVar(&asJSON, "json", false, "as -d, and then the project as JSON, as lodge ls has it, also if a service failed")
	ch.flags(c)
	a.completesServices(c, 0)
	return c
}

func (ch *choices) flags(c *cobra.Command) {
	c.Flags().StringVar(&ch.engine, "engine", "", "`ENGINE` that makes the home: ebpf, seccomp or none (default: the first that works)")
	c.Flags().StringVar(&ch.isolation, "isolation", "", "how much of the machine's localhost shows through, `LEVEL`: overlay (what is not inside) or strict (nothing)")
}

func (a *app) up(ctx context.Context, names []string, detach, asJSON bool, ch choices) error {
	p, err := a.load()
	if err != nil {
		return err
	}
	if err := p.NeedConfig(); err != nil {
		return &hinted{err: fmt.Errorf("start project: %w", err), hint: "write one, or run a single command: lodge run -- CMD"}
	}
	if err := p.Resolve(a.env.Environ); err != nil {
		return err
	}
	for _, n := range names {
		if _, ok := p.Service(n); !ok {
			return &usageError{err: fmt.Errorf("start service %s: %s has no such service", n, p.ConfigPath), hint: "there are: " + strings.Join(serviceNames(p), ", ")}
		}
	}
	return a.withSession(ctx, p, ch, func(c *localapi.Client, s *localapi.Session) error {
		if ch.engine == "" && s.Project.Engine == "none" {
			fmt.Fprintf(a.err, "lodge: no engine works here (%s): services get the address %s in LODGE_HOME, and no localhost of their own\n", s.Project.EngineReason, s.Project.Home)
		}
		before, err := s.Status(ctx)
		if err != nil {
			return err
		}
		running := runs(before, names)
		if ch.isolation == "" {
			a.noteSettings(p, s.Project)
		}
		defined := specs(p, s.Project)
		if err := keepElsewhere(s.Project, before, defined, p.Dir); err != nil {
			return err
		}
		if err := s.DefineFrom(ctx, p.Dir, defined, a.childEnviron()); err != nil {
			return err
		}
		if asJSON {
			return a.told(ctx, c, s, s.Up(ctx, names))
		}
		if detach {
			told := a.tellProgress(ctx, s, names)
			if err := told(s.Up(ctx, names)); err != nil {
				return err
			}
			return a.saidUp(ctx, c, s, running)
		}
		return a.upAttached(ctx, c, s, names, running)
	})
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

// saidUp reports what is up now.
func (a *app) saidUp(ctx context.Context, c *localapi.Client, s *localapi.Session, before bool) error {
	ps, err := current(ctx, c, s)
	if err != nil {
		return err
	}
	if before {
		name := s.Project.Name
		if len(ps) == 1 {
			name = ps[0].Name // of two directories with one name it may be the second
		}
		fmt.Fprintf(a.err, "%s was up already\n", name)
	}
	a.listProjects(ps)
	a.noteEngine(ps)
	return nil
}

// upAttached shows the services' output until they end, or Ctrl-C ends them.
func (a *app) upAttached(ctx context.Context, c *localapi.Client, s *localapi.Session, names []string, running bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sig, release := a.endings(ctx)
	defer release()

	from := time.Now()
	pr := a.linePrinter()
	shown := make(chan struct{})
	lctx, lcancel := context.WithCancel(ctx)
	defer lcancel()
	quiet := func() { lcancel(); <-shown }
	go func() {
		defer close(shown)
		_ = a.patient(s, false).Logs(lctx, keeperapi.LogQuery{Services: names, Since: from}, true, pr.print)
	}()
	if running {
		fmt.Fprintf(a.err, "%s is up already; this shows its output, and Ctrl-C leaves it running\n", s.Project.Name)
	}
	upped := make(chan error, 1)
	go func() { upped <- a.patient(s, true).Up(ctx, names) }()
	ended := make(chan error, 1)
	for {
		select {
		case by := <-sig:
			if running {
				return endedBy(by)
			}
			left, err := a.stopAttached(ctx, c, s, by, sig)
			if !left {
				quiet()
			}
			return err
		case err := <-upped:
			upped = nil
			if err != nil {
				return a.giveUp(ctx, c, s, err, running, quiet)
			}
			if ps, err := current(ctx, c, s); err == nil {
				a.listProjectsTo(a.err, ps)
				a.noteEngine(ps)
			}
			go func() { ended <- a.patient(s, true).Watch(ctx, untilEnded(names)) }()
		case err := <-ended:
			quiet()
			var e *keeperapi.Error
			switch {
			case errors.Is(err, errAllEnded):
				return a.downAll(ctx, c, s, false)
			case errors.Is(err, keeperapi.ErrGone):
				fmt.Fprintf(a.err, "%s was stopped\n", s.Project.Name)
				return nil
			case errors.As(err, &e):
				return errors.Join(err, a.downAll(ctx, c, s, false))
			}
			return err
		}
	}
}

// giveUp ends what was started beside a service that failed.
func (a *app) giveUp(ctx context.Context, c *localapi.Client, s *localapi.Session, err error, running bool, quiet func()) error {
	if running {
		return err
	}
	derr := a.downAll(context.WithoutCancel(ctx), c, s, false)
	quiet()
	if e := (*keeperapi.Error)(nil); errors.As(err, &e) {
		e.LastLines = nil // they were shown as they came
	}
	return errors.Join(err, derr)
}

func (a *app) downAll(ctx context.Context, c *localapi.Client, s *localapi.Session, kill bool) error {
	end := c.Down
	if kill {
		end = c.Kill
	}
	err := end(ctx, s.Project.ID)
	var halted *stall.Error
	switch {
	case err != nil && localapi.NotRunning(err):
		// The daemon was killed meanwhile: another one takes the keepers back.
		if c, err = a.connect(ctx); err == nil {
			err = c.Down(ctx, s.Project.ID)
		}
	case errors.As(err, &halted):
		// The keeper can be asked without it; the daemon finds out when it goes on.
		if err = s.Client.Down(ctx, kill); errors.Is(err, keeperapi.ErrGone) {
			err = nil
		}
	}
	return err
}

// current returns the session's project as it is now, alone in a list.
func current(ctx context.Context, c *localapi.Client, s *localapi.Session) ([]localapi.Project, error) {
	ps, err := c.Projects(ctx, false)
	if err != nil {
		return nil, err
	}
	// Its names below .test are resolved by now, where they can be.
	if _, err := c.HostNames(ctx); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(ps.Projects, func(p localapi.Project) bool { return p.ID != s.Project.ID }), nil
}

var errAllEnded = errors.New("all services ended")

// untilEnded ends a watch when no service is left that runs or will.
func untilEnded(names []string) func(keeperapi.Project) error {
	return func(p keeperapi.Project) error {
		var failed *keeperapi.Error
		for _, s := range p.Services {
			if len(names) > 0 && !slices.Contains(names, s.Name) {
				continue
			}
			switch s.State {
			case service.Failed:
				failed = &keeperapi.Error{Message: fmt.Sprintf("run service %s: %s", s.Name, s.Reason), Service: s.Name}
			case service.Exited, service.Stopped:
			default:
				return nil
			}
		}
		if failed != nil {
			return failed
		}
		return errAllEnded
	}
}

func serviceNames(p *project.Project) []string {
	out := make([]string, len(p.Services))
	for i, s := range p.Services {
		out[i] = s.Name
	}
	return out
}
