package projects

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/stall"
)

// down ends a project and returns when nothing of it is left. With kill nothing
// is given time to end by itself.
func (p *Project) down(ctx context.Context, kill bool, log *slog.Logger) error {
	id := p.rec.Config.ID
	err := p.client().Down(ctx, kill)
	for {
		var why *stall.Error
		if errors.As(err, &why) {
			err = p.downStalled(ctx, why, kill, log)
			kill = true // one that is stopped again is not continued again
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return fmt.Errorf("end project %s: %w", id, ctx.Err())
		case errors.Is(err, keeperapi.ErrUnreachable), errors.Is(err, keeperapi.ErrGone):
			// It may be ending already; else it is told by a signal.
			if err := p.end(ctx, kill); err != nil {
				return err
			}
		default:
			return err
		}
		if err = p.awaitEnd(ctx); err == nil {
			return nil
		} else if !errors.As(err, &why) {
			return fmt.Errorf("end project %s: %w", id, err)
		}
	}
}

// The times that a keeper which cannot be asked has to end: by itself, after
// SIGTERM, with which it stops its services in order, and after SIGKILL.
const (
	endByItself = 2 * time.Second
	endInOrder  = 20 * time.Second
	endAtOnce   = 10 * time.Second
)

// end ends a keeper that does not listen. What it leaves inside is cleared by
// the one that follows it.
func (p *Project) end(ctx context.Context, kill bool) error {
	rec := p.rec
	if pidfd.AwaitEnd(rec.PID, rec.StartTime, endByItself) {
		return nil
	}
	err := pidfd.ErrStays
	if !kill {
		err = pidfd.End(ctx, rec.PID, rec.StartTime, unix.SIGTERM, endInOrder)
	}
	if errors.Is(err, pidfd.ErrStays) {
		err = pidfd.End(ctx, rec.PID, rec.StartTime, unix.SIGKILL, endAtOnce)
	}
	if err != nil && !errors.Is(err, pidfd.ErrGone) {
		return fmt.Errorf("end project %s: %w", rec.Config.ID, err)
	}
	return nil
}

// keeperGrace is how long a keeper that does not run may take to end when it is
// killed. Only one in state D takes any.
const keeperGrace = 3 * time.Second

// downStalled ends a project whose keeper does not run. One that was stopped by
// a signal is continued, so that its services end as usual. What does not come
// back is killed, and what it leaves is cleared as after any keeper that died.
func (p *Project) downStalled(ctx context.Context, why *stall.Error, kill bool, log *slog.Logger) error {
	if why.State == stall.Stopped && !kill {
		log.Info("continue a stopped keeper, to end it", "project", p.rec.Config.ID, "pid", p.rec.PID)
		if err := signalKeeper(p.rec, unix.SIGCONT); err != nil {
			return err
		}
		err := p.client().Down(ctx, kill)
		if !errors.As(err, &why) {
			return err
		}
	}
	log.Warn("kill a keeper that does not run", "project", p.rec.Config.ID, "pid", p.rec.PID, "why", why.Reason())
	err := pidfd.End(ctx, p.rec.PID, p.rec.StartTime, unix.SIGKILL, keeperGrace)
	switch {
	case err == nil, errors.Is(err, pidfd.ErrGone):
		return nil
	case errors.Is(err, pidfd.ErrStays):
		// SIGKILL waits with the process in state D, and in version 1's freezer.
		return errors.Join(why, err)
	}
	return err
}

// signalKeeper sends a signal to a keeper, and to no other process that has got
// its number.
func signalKeeper(rec keeperapi.Record, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(rec.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("signal keeper %d: %w", rec.PID, err)
	}
	defer unix.Close(fd)
	if !procfs.Alive(rec.PID, rec.StartTime) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal keeper %d: %w", rec.PID, err)
	}
	return nil
}
