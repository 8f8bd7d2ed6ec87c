package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/stall"
)

func (a *app) downCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "down [SERVICE...]",
		Short: "Stop the project here, or single services",
		Long:  "Stop every process inside the project here and give up its home, or stop only the services named.",
		Example: `  lodge down               the project here, with all that runs inside
  lodge down web           one service; the others go on
  lodge down --project shop    another project, also if its directory is gone
  lodge down --all`,
		RunE: a.withServices(func(c *cobra.Command, names []string) error {
			return a.down(c.Context(), names, all)
		}),
	}
	c.Flags().BoolVar(&all, "all", false, "every project of this user")
	a.projectFlag(c)
	a.completesServices(c, 0)
	return c
}

func (a *app) down(ctx context.Context, names []string, all bool) error {
	c, ps, err := a.listed(ctx, false)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	} else {
		a.warn(ps.Warnings)
	}
	if all {
		if a.project != "" {
			return &usageError{err: errors.New("stop project: --all stops every project"), hint: "lodge down --project " + a.project}
		}
		if len(names) > 0 {
			return &usageError{err: errors.New("stop services: --all stops whole projects"), hint: "lodge down --all"}
		}
		errs := make([]error, len(ps.Projects))
		var all sync.WaitGroup
		for i, p := range ps.Projects {
			all.Go(func() { errs[i] = a.downOne(ctx, c, p) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
	p, err := a.findAmong(func() (localapi.Projects, error) { return ps, nil })
	var none *notUpError
	if errors.As(err, &none) && len(names) == 0 && len(none.lost) == 0 {
		fmt.Fprintln(a.err, "nothing is up here")
		return nil
	}
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, err := serviceOf(p, n); err != nil {
			return err
		}
	}
	if len(names) > 0 {
		if err := localapi.NewSession(p).Stop(ctx, names); err != nil && !errors.Is(err, keeperapi.ErrGone) {
			return err
		}
		return nil
	}
	return a.downOne(ctx, c, p)
}

func (a *app) downOne(ctx context.Context, c *localapi.Client, p localapi.Project) error {
	end := func() error { return c.Down(ctx, p.ID) }
	if c == nil {
		end = func() error { return downAlone(ctx, p) }
	}
	if err := end(); err != nil && !errors.Is(err, keeperapi.ErrGone) {
		return err
	}
	fmt.Fprintf(a.err, "%s is down\n", p.Shown())
	return nil
}

// endInOrder is how long a keeper may take to end its services after SIGTERM.
const endInOrder = 20 * time.Second

// downAlone ends a project without the daemon, which does not run. As that does,
// it continues a keeper that is stopped by a signal, and ends one that cannot be
// reached by SIGTERM, with which it ends its services in order.
func downAlone(ctx context.Context, p localapi.Project) error {
	s := localapi.NewSession(p)
	err := s.Down(ctx, false)
	var halted *stall.Error
	if errors.Is(err, keeperapi.ErrUnreachable) {
		return endKeeper(ctx, p)
	}
	if !errors.As(err, &halted) || halted.State != stall.Stopped {
		return err
	}
	if err := s.Continue(); err != nil {
		return err
	}
	return s.Down(ctx, false)
}

// endKeeper ends the keeper of a project by a signal.
func endKeeper(ctx context.Context, p localapi.Project) error {
	start, err := procfs.StartTime(p.KeeperPID)
	if err == nil {
		err = pidfd.End(ctx, p.KeeperPID, start, unix.SIGTERM, endInOrder)
	}
	if errors.Is(err, pidfd.ErrStays) {
		return &hinted{err: fmt.Errorf("end the keeper of %s: %w", p.Shown(), err), hint: fmt.Sprintf("kill -9 %d", p.KeeperPID)}
	}
	if errors.Is(err, pidfd.ErrGone) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
