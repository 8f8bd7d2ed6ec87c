package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/pidfd"
	"lodge/internal/stall"
)

// closer finds the project of a directory, and ends projects.
type closer struct{ follower }

// atPath returns the project that is up with this directory: the directory
// itself, also after it was renamed, else the one that was opened at the path.
func (d *closer) atPath(path string) *project {
	id := ""
	if fi, err := os.Stat(path); err == nil {
		id = keeperapi.DirID(fi)
	}
	var byPath *project
	for _, p := range d.all() {
		if id != "" && p.dirID() == id {
			return p
		}
		if p.rec.Config.Dir == path {
			byPath = p
		}
	}
	return byPath
}

// endingFor is how long a keeper that is said to be gone may take to end.
const endingFor = 30 * time.Second

// running returns the project that is up at the path, or nil for none. A second
// copy must not be started beside one that cannot be asked: that is an error.
func (d *closer) running(ctx context.Context, path string) (*project, error) {
	for {
		p := d.atPath(path)
		if p == nil {
			return nil, nil
		}
		k, err := p.client().Status(ctx)
		switch {
		case err == nil:
			d.heard(p, k) // its directory may have moved, which the keeper does not tell by itself
			return p, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case halted(err):
			return nil, err
		case errors.Is(err, keeperapi.ErrGone): // it is ending just now
			over := time.NewTimer(endingFor)
			select {
			case <-p.gone:
				over.Stop()
				continue
			case <-ctx.Done():
				over.Stop()
				return nil, ctx.Err()
			case <-over.C:
			}
		}
		return nil, &localapi.Error{
			Message: fmt.Sprintf("open project %s: it is up, and its keeper (process %d) cannot be reached: %s", path, p.rec.PID, unreachable(err)),
			Hint:    "end it: lodge down --project " + p.rec.Config.ID,
		}
	}
}

// unreachable puts into words why a keeper that runs gives no answer.
func unreachable(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	case errors.Is(err, keeperapi.ErrUnreachable):
		return keeperapi.ErrUnreachable.Error()
	case errors.Is(err, keeperapi.ErrGone):
		return "it does not listen"
	}
	return err.Error()
}

// watchRetry is how long it takes until a keeper that could not be reached is
// tried again.
const watchRetry = time.Second

// down ends a project and returns when nothing of it is left. With kill nothing
// is given time to end by itself.
func (d *closer) down(ctx context.Context, id string, kill bool) error {
	p, ok := d.get(id)
	if !ok {
		return nil
	}
	err := p.client().Down(ctx, kill)
	for {
		var why *stall.Error
		if errors.As(err, &why) {
			err = d.downStalled(ctx, p, why, kill)
			kill = true // one that is stopped again is not continued again
		}
		switch {
		case err == nil:
		case ctx.Err() != nil:
			return fmt.Errorf("end project %s: %w", id, ctx.Err())
		case errors.Is(err, keeperapi.ErrUnreachable), errors.Is(err, keeperapi.ErrGone):
			// It may be ending already; else it is told by a signal.
			if err := d.end(ctx, p, kill); err != nil {
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

// awaitEnd waits until a keeper that was told to end has ended and nothing of
// its project is left. One that is stopped meanwhile is a *stall.Error.
func (p *project) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, fmt.Errorf("its keeper (process %d) does not end", p.rec.PID))
	defer cancel()
	ctx, done := stall.Guard(ctx, p.client().Peer())
	defer done()
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
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
func (d *closer) end(ctx context.Context, p *project, kill bool) error {
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
