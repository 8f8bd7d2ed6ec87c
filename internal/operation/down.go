package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/selection"
	"lodge/internal/stall"
)

// Downs is an end of projects, or a stop of services.
type Downs struct {
	// Services are stopped, and the project goes on; with none it is ended.
	Services []string
	// All ends every project of the user.
	All bool
}

// ErrNothingUp says that there was nothing to end.
var ErrNothingUp = errors.New("nothing is up here")

// Down ends the project that is meant, with all that runs inside, or stops
// services of it. Each project that has ended is told as [localapi.ProgressDown].
// d is the daemon and ps are the projects that are up; where no daemon can be
// asked, d is nil, and the keepers are asked without it.
func (r *Runner) Down(ctx context.Context, d Daemon, ps []localapi.Project, x Downs) error {
	if x.All {
		if r.Project != "" {
			return usage("stop project: --all stops every project", "lodge down --project "+r.Project)
		}
		if len(x.Services) > 0 {
			return usage("stop services: --all stops whole projects", "lodge down --all")
		}
		errs := make([]error, len(ps))
		var all sync.WaitGroup
		var telling sync.Mutex
		for i, p := range ps {
			all.Go(func() {
				if errs[i] = end(ctx, d, p); errs[i] == nil {
					telling.Lock()
					defer telling.Unlock()
					r.Tell(localapi.Progress{Kind: localapi.ProgressDown, Project: &p})
				}
			})
		}
		all.Wait()
		return errors.Join(errs...)
	}
	p, err := r.Find(ps)
	var none *NotUpError
	if errors.As(err, &none) && len(x.Services) == 0 && len(none.Lost) == 0 {
		return ErrNothingUp
	}
	if err != nil {
		return err
	}
	noteKeeper(r, p)
	for _, n := range x.Services {
		if _, err := selection.Service(p, n); err != nil {
			return err
		}
	}
	if len(x.Services) > 0 {
		return ended(localapi.NewSession(p).Stop(ctx, x.Services))
	}
	if err := end(ctx, d, p); err != nil {
		return err
	}
	r.Tell(localapi.Progress{Kind: localapi.ProgressDown, Project: &p})
	return nil
}

// ended takes a keeper that is gone for what was asked of it.
func ended(err error) error {
	if errors.Is(err, keeperapi.ErrGone) {
		return nil
	}
	return err
}

func end(ctx context.Context, d Daemon, p localapi.Project) error {
	if d == nil {
		return ended(endAlone(ctx, p))
	}
	return ended(d.Down(ctx, p.ID))
}

// endInOrder is how long a keeper may take to end its services after SIGTERM.
const endInOrder = 20 * time.Second

// endAlone ends a project without the daemon, which does not run. As that does,
// it continues a keeper that is stopped by a signal, and ends one that cannot be
// reached by SIGTERM, with which it ends its services in order.
func endAlone(ctx context.Context, p localapi.Project) error {
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
		return &localapi.Error{Message: fmt.Sprintf("end the keeper of %s: %v", p.Shown(), err), Hint: fmt.Sprintf("kill -9 %d", p.KeeperPID)}
	}
	if errors.Is(err, pidfd.ErrGone) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// EndSession ends the project of a session, at once with kill, whatever became of
// the daemon meanwhile.
func (r *Runner) EndSession(ctx context.Context, d Daemon, s *localapi.Session, kill bool) error {
	end := d.Down
	if kill {
		end = d.Kill
	}
	err := end(ctx, s.Project.ID)
	var halted *stall.Error
	switch {
	case err != nil && localapi.NotRunning(err):
		// The daemon was killed meanwhile: another one takes the keepers back.
		if d, err = r.Connect(ctx); err == nil {
			defer d.Close()
			err = d.Down(ctx, s.Project.ID)
		}
	case errors.As(err, &halted):
		// The keeper can be asked without it; the daemon finds out when it goes on.
		err = ended(s.Client.Down(ctx, kill))
	}
	return err
}
