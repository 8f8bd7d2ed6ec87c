package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/keeper"
	"lodge/internal/localapi"
	"lodge/internal/project"
	"lodge/internal/service"
)

func (a *app) runCommand() *cobra.Command {
	var ch choices
	var name string
	c := &cobra.Command{
		Use:   "run [flags] [--] CMD [ARG...]",
		Short: "Run one command in this project's localhost, named",
		Long: "Run a command in the localhost of the project that the working directory belongs to, and wait for it.\n" +
			"It needs no lodge.toml. It shows in `lodge ls`, its output is kept for `lodge logs`, and its exit status is lodge's.",
		Example: `  lodge run -- python3 -m http.server 8000
  lodge run --name web -- npm run dev`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error { return a.runInside(c.Context(), argv, name, true, ch) },
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&name, "name", "", "`NAME` in lodge ls (default: the program's)")
	ch.flags(c)
	return c
}

func (a *app) execCommand() *cobra.Command {
	var ch choices
	c := &cobra.Command{
		Use:   "exec [flags] [--] CMD [ARG...]",
		Short: "Run a command inside, such as psql, curl or npm test",
		Long: "Run a command in the localhost of the project that the working directory belongs to.\n" +
			"It needs no lodge.toml and nothing that is up. Its exit status is lodge's.",
		Example: `  lodge exec -- psql -h localhost
  lodge exec -- curl -s localhost:8000
  lodge exec -- npm test
  lodge exec -- bash`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error { return a.runInside(c.Context(), argv, "", false, ch) },
	}
	c.Flags().SetInterspersed(false)
	a.projectFlag(c)
	ch.flags(c)
	return c
}

func (a *app) runInside(ctx context.Context, argv []string, name string, listed bool, ch choices) error {
	p, loadErr := a.load()
	if a.project != "" || loadErr != nil {
		// The project that is up can be entered, whatever its file says by now.
		p = nil
	}
	if name != "" && !project.ValidName(name) {
		return &usageError{err: fmt.Errorf("name the command %q: not a name", name), hint: "lower-case letters, digits and hyphens"}
	}
	if name == "" {
		name = project.MakeName(filepath.Base(argv[0]))
	}
	x := keeper.Exec{Argv: argv, Dir: a.env.Dir, Name: name, Command: strings.Join(argv, " "), Listed: listed}
	code := 0
	with := func(do func(*localapi.Client, *localapi.Session) error) error { return a.withSession(ctx, p, ch, do) }
	if p == nil {
		with = func(do func(*localapi.Client, *localapi.Session) error) error {
			return a.withRunning(ctx, ch, loadErr, do)
		}
	}
	err := with(func(c *localapi.Client, s *localapi.Session) error {
		n, err := c.HostNames(ctx)
		if err != nil {
			return err
		}
		if !n.Resolved {
			x.Hosts = n.Lines
		}
		code, err = a.attach(ctx, s, x)
		return err
	})
	if err == nil && code != 0 {
		err = &exitError{code: code}
	}
	return err
}

// attach runs the command with this process's own input and output, and gives
// its exit status.
func (a *app) attach(ctx context.Context, s *localapi.Session, x keeper.Exec) (int, error) {
	if isTerminal(a.env.Stdin) && isTerminal(a.env.Stdout) {
		return a.attachTerminal(ctx, s, x)
	}
	env := a.childEnviron()
	if x.Listed {
		// Its output goes through a pipe, where Python keeps it back.
		env = service.MergeEnv([]string{"PYTHONUNBUFFERED=1"}, env...)
	}
	sig, stop := a.catchSignals()
	defer stop()
	s.Halted = a.noteHalted
	p, err := s.Exec(ctx, x, env, a.env.Stdin, a.env.Stdout, a.env.Stderr)
	if err != nil {
		return 0, endedBefore(sig, x, err)
	}
	defer passSignals(sig, p)()
	return wait(p)
}

// endedBefore is the error of a command that was not started: a signal that came
// meanwhile is its end, for nobody is there to whom it could be passed.
func endedBefore(sig <-chan os.Signal, x keeper.Exec, err error) error {
	for {
		select {
		case s := <-sig:
			if s != unix.SIGUSR1 && s != unix.SIGUSR2 {
				return endedBy(s)
			}
		default:
			return lost(x.Name, err)
		}
	}
}

func wait(p *keeper.Process) (int, error) {
	st, err := p.Wait()
	if err != nil {
		return 0, lost(p.Name, fmt.Errorf("run %s: %w", p.Name, err))
	}
	return st.Code, nil
}

// lost says of a command that ended with its keeper what can be done.
func lost(name string, err error) error {
	if !errors.Is(err, keeper.ErrLost) {
		return err
	}
	return &hinted{
		err:  fmt.Errorf("run %s: %w", name, keeper.ErrLost),
		hint: "somebody killed it; run the command again if that does no harm",
	}
}
