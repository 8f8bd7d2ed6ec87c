// Package run has the commands that start, end and await what runs in a project's
// localhost: up, down, restart, run, exec and wait.
package run

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/service"
)

// Run returns the command lodge run.
func Run(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	x := insideCommand{operation.Command{Listed: true}}
	c := &cobra.Command{
		Use:   "run [flags] [--] CMD [ARG...]",
		Short: "Run one command in this project's localhost, named",
		Long: "Run a command in the localhost of the project that the working directory belongs to, and wait for it.\n" +
			"It needs no lodge.toml. It shows in `lodge ls`, its output is kept for `lodge logs`, and its exit status is lodge's.",
		Example: `  lodge run -- python3 -m http.server 8000
  lodge run --name web -- npm run dev`,
		Args: kit.Args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, argv []string) error {
			x.Argv = argv
			return runInside(c.Context(), sel, x)
		},
	}
	c.Flags().SetInterspersed(false)
	c.Flags().StringVar(&x.Name, "name", "", "`NAME` in lodge ls (default: the program's)")
	x.flags(c)
	return c
}

// attach runs the command with this process's own input and output, and
// returns its exit status.
func attach(ctx context.Context, k *kit.Kit, s *localapi.Session, x keeperapi.Exec) (int, error) {
	if kit.IsTerminal(k.Env.Stdin) && kit.IsTerminal(k.Env.Stdout) {
		return attachTerminal(ctx, k, s, x)
	}
	env := childEnviron(ctx, k)
	if x.Listed {
		// Its output goes through a pipe, where Python keeps it back.
		env = service.MergeEnv([]string{"PYTHONUNBUFFERED=1"}, env...)
	}
	sig, stop := catchSignals(k)
	defer stop()
	s.Halted = k.NoteHalted
	p, err := s.Exec(ctx, x, env, k.Env.Stdin, k.Env.Stdout, k.Env.Stderr)
	if err != nil {
		return 0, endedBefore(sig, x, err)
	}
	defer passSignals(sig, p)()
	return wait(p)
}

// endedBefore is the error of a command that was not started: a signal that came
// meanwhile is its end, since there is no process to pass it to.
func endedBefore(sig <-chan os.Signal, x keeperapi.Exec, err error) error {
	for {
		select {
		case s := <-sig:
			if s != unix.SIGUSR1 && s != unix.SIGUSR2 {
				return kit.EndedBy(s)
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
	return &kit.Hinted{
		Err:  fmt.Errorf("run %s: %w", name, keeperapi.ErrLost),
		Hint: "somebody killed it; run the command again if that does no harm",
	}
}
