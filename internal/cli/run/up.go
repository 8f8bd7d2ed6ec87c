package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/logline"
	"lodge/internal/cli/projecttable"
	"lodge/internal/cli/session"
	"lodge/internal/keeperapi"
	"lodge/internal/operation"
	"lodge/internal/service"
)

// Up returns the command lodge up.
func Up(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var detach, asJSON bool
	var ch operation.Choice
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
		RunE: func(c *cobra.Command, names []string) error { return up(c.Context(), sel, names, detach, asJSON, ch) },
	}
	c.Flags().BoolVarP(&detach, "detach", "d", false, "return when all are ready, and leave them running")
	c.Flags().BoolVar(&asJSON, "json", false, "as -d, and then the project as JSON, as lodge ls has it, also if a service failed")
	choiceFlags(c, &ch)
	sel.CompleteServices(c, 0)
	return c
}

// choiceFlags adds the flags with which a home can be asked for.
func choiceFlags(c *cobra.Command, ch *operation.Choice) {
	c.Flags().StringVar(&ch.Engine, "engine", "", "`ENGINE` that makes the home: ebpf, seccomp or none (default: the first that works)")
	c.Flags().BoolFunc("keylog", "programs write the keys of their TLS connections to a file of the project's, with which lodge tap decrypts them\n"+
		"(default: keylog in lodge.toml, or as they run already)", func(text string) error {
		on, err := strconv.ParseBool(text)
		ch.KeyLog = &on
		return err
	})
	c.Flags().StringVar(&ch.Isolation, "isolation", "", "how much of the machine's localhost shows through, `LEVEL`: overlay (what is not inside) or strict (nothing)")
}

func up(ctx context.Context, sel *session.Selection, names []string, detach, asJSON bool, ch operation.Choice) error {
	ops := sel.Operations()
	u := operation.Ups{Services: names, Choice: ch, Always: asJSON, Quiet: asJSON}
	if !detach && !asJSON {
		return ops.Define(ctx, u, func(d operation.Defined) error { return upAttached(ctx, sel.Kit, ops, d, names) })
	}
	got, err := ops.Up(ctx, u)
	if asJSON {
		return printProjects(sel.Kit, got.Projects, err)
	}
	if err != nil {
		return err
	}
	if got.WasUp {
		name := got.Name
		if len(got.Projects) == 1 {
			name = got.Projects[0].Name // of two directories with one name it may be the second
		}
		fmt.Fprintf(sel.Err, "%s was up already\n", name)
	}
	projecttable.Results(sel.Kit).Print(got.Projects)
	noteEngine(sel.Kit, got.Projects)
	return nil
}

// upAttached shows the services' output until they end, or Ctrl-C ends them.
func upAttached(ctx context.Context, k *kit.Kit, ops *operation.Runner, d operation.Defined, names []string) error {
	s, running := d.Session, d.Running
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sig, release := endings(ctx, k)
	defer release()

	from := time.Now()
	pr := logline.NewPrinter(k)
	shown := make(chan struct{})
	lctx, lcancel := context.WithCancel(ctx)
	defer lcancel()
	quiet := func() { lcancel(); <-shown }
	go func() {
		defer close(shown)
		_ = ops.Patient(s, false).Logs(lctx, keeperapi.LogQuery{Services: names, Since: from}, true, pr.Print)
	}()
	if running {
		fmt.Fprintf(k.Err, "%s is up already; this shows its output, and Ctrl-C leaves it running\n", s.Project.Name)
	}
	upped := make(chan error, 1)
	go func() { upped <- ops.Patient(s, true).Up(ctx, names) }()
	ended := make(chan error, 1)
	for {
		select {
		case by := <-sig:
			if running {
				return kit.EndedBy(by)
			}
			left, err := stopAttached(ctx, k, ops, d, by, sig)
			if !left {
				quiet()
			}
			return err
		case err := <-upped:
			upped = nil
			if err != nil {
				return giveUp(ctx, ops, d, err, quiet)
			}
			if ps, err := operation.Current(ctx, d.Daemon, s.Project.ID); err == nil {
				projecttable.Progress(k).Print(ps)
				noteEngine(k, ps)
			}
			go func() { ended <- ops.Patient(s, true).Watch(ctx, untilEnded(names)) }()
		case err := <-ended:
			quiet()
			var e *keeperapi.Error
			switch {
			case errors.Is(err, errAllEnded):
				return ops.EndSession(ctx, d.Daemon, s, false)
			case errors.Is(err, keeperapi.ErrGone):
				fmt.Fprintf(k.Err, "%s was stopped\n", s.Project.Name)
				return nil
			case errors.As(err, &e):
				return errors.Join(err, ops.EndSession(ctx, d.Daemon, s, false))
			}
			return err
		}
	}
}

// giveUp ends what was started beside a service that failed.
func giveUp(ctx context.Context, ops *operation.Runner, d operation.Defined, err error, quiet func()) error {
	if d.Running {
		return err
	}
	derr := ops.EndSession(context.WithoutCancel(ctx), d.Daemon, d.Session, false)
	quiet()
	if e := (*keeperapi.Error)(nil); errors.As(err, &e) {
		e.LastLines = nil // they were shown as they came
	}
	return errors.Join(err, derr)
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
