package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/pidfd"
	"lodge/internal/stall"
)

// Connect returns a client of the daemon. One that runs and has lost its socket is
// asked to make it again; one that does not run is started.
func Connect(ctx context.Context, k *kit.Kit) (*localapi.Client, error) {
	d := k.Dirs()
	c := localapi.New(d.Socket())
	var err error
	// A daemon that is just ending answers no more, or refuses: try anew, for
	// far longer than an end takes.
	for range 300 {
		var info localapi.Info
		if info, err = c.Info(ctx); err == nil {
			noteDaemon(k, info)
			return c, nil
		}
		if !localapi.NotRunning(err) && !hungUp(err) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
		if err = d.Make(); err != nil {
			return nil, startError(err)
		}
		if h, ok := d.Holder(); ok {
			if err = wake(ctx, c, d, h); err != nil {
				return nil, err
			}
			continue
		}
		if err = startDaemon(ctx, k, d); err != nil && !errors.Is(err, errDaemonBusy) {
			return nil, err
		}
		if err != nil {
			select {
			case <-time.After(50 * time.Millisecond): // another one starts or ends
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
	}
	return nil, err
}

// hungUp reports whether a daemon that was reached ended before it answered.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE)
}

// The times that a daemon without a socket has to make it again, or to end; a
// stopped one does neither.
const (
	wakeFor        = 15 * time.Second
	wakeStoppedFor = time.Second
)

// wake has a daemon that runs make its socket again, and returns when it answers
// or has ended.
func wake(ctx context.Context, c *localapi.Client, d localapi.Dirs, h localapi.Holder) error {
	for from := time.Now(); ; {
		// Asked more than once: a signal to a process that just begins is lost.
		_ = pidfd.Wake(h.PID, h.Start)
		if pidfd.AwaitEnd(h.PID, h.Start, 20*time.Millisecond) {
			return nil
		}
		if now, ok := d.Holder(); !ok || now != h {
			return nil // it has given up its locks, or another one has them
		}
		if _, err := c.Info(ctx); err == nil || !localapi.NotRunning(err) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		over := time.Since(from)
		if over > wakeStoppedFor {
			if e, ok := h.Look(); ok {
				return e
			}
		}
		if over > wakeFor {
			return &kit.Hinted{
				Err:  fmt.Errorf("reach daemon: process %d runs, and cannot make its socket %s again", h.PID, d.Socket()),
				Hint: fmt.Sprintf("kill %d ends the daemon alone: services go on, and the next command starts another", h.PID),
			}
		}
	}
}

// noDaemonError says that no daemon could be started. What runs goes on without
// one, and its keepers can be asked.
type noDaemonError struct{ err error }

func (e *noDaemonError) Error() string { return "start daemon: " + e.err.Error() }
func (e *noDaemonError) Unwrap() error { return e.err }

// startError is why no daemon could be started.
func startError(err error) error {
	h := "set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories of your own"
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		h = "make room there, or set XDG_RUNTIME_DIR and XDG_STATE_HOME to directories that have some"
	}
	var halted *stall.Error
	var other *kit.Hinted
	switch {
	case errors.As(err, &halted):
		h = halted.Hint()
	case errors.As(err, &other):
		h = other.Hint
	}
	return &kit.Hinted{Err: &noDaemonError{err}, Hint: h}
}

// noteDaemon prints that the daemon is of another version, and how to renew it.
func noteDaemon(k *kit.Kit, info localapi.Info) {
	if info.Version == k.Env.Version || info.Version == "" {
		return
	}
	k.Remark(fmt.Sprintf("the daemon is lodge %s, and this is %s; `kill %d` renews it at the next command, and services go on", info.Version, k.Env.Version, info.PID))
}

// noteKeeper prints the same of a project's keeper.
func noteKeeper(k *kit.Kit, p localapi.Project) {
	if text := operation.KeeperNote(p, k.Env.Version); text != "" {
		k.Remark(text)
	}
}
