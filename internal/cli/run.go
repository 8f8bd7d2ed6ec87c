package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/service"
)

func (a *app) runCommand() *cobra.Command {
	x := insideCommand{operation.Command{Listed: true}}
	c := &cobra.Command{
		Use:   "run [flags] [--] CMD [ARG...]",
		Short: "Run one command in this project's localhost, named",
		Long: "Run a command in the localhost of the project that the working directory belongs to, and wait for it.\n" +
			"It needs no lodge.toml. It shows in `lodge ls`, its output is kept for `lodge logs`, and its exit status is lodge's.",
		Example: `  lodge run -- python3 -m http.server 8000
  lodge run --name web -- npm run dev`,
		Args: args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error {
			x.Argv = argv
			return a.runInside(c.Context(), x)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&x.Name, "name", "", "`NAME` in lodge ls (default: the program's)")
	x.flags(c)
	return c
}

// attach runs the command with this process's own input and output, and gives
// its exit status.
func (a *app) attach(ctx context.Context, s *localapi.Session, x keeperapi.Exec) (int, error) {
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
func endedBefore(sig <-chan os.Signal, x keeperapi.Exec, err error) error {
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

func wait(p *keeperapi.Process) (int, error) {
	st, err := p.Wait()
	if err != nil {
		return 0, lost(p.Name, fmt.Errorf("run %s: %w", p.Name, err))
	}
	return st.Code, nil
}

// lost says of a command that ended with its keeper what can be done.
func lost(name string, err error) error {
	if !errors.Is(err, keeperapi.ErrLost) {
		return err
	}
	return &hinted{
		err:  fmt.Errorf("run %s: %w", name, keeperapi.ErrLost),
		hint: "somebody killed it; run the command again if that does no harm",
	}
}
