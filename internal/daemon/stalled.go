package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/stall"
)

// halted reports whether an error says that a process did not answer because it
// does not run, as one that is stopped by a signal or a debugger.
func halted(err error) bool {
	var e *stall.Error
	return errors.As(err, &e)
}

// stalledRetry is how often a helper that did not run is asked again for what
// must be done once it does.
const stalledRetry = 2 * time.Second

// removeLater makes up for a helper that does not run when it should remove a
// home: what runs inside is ended without it, and the home, which is empty
// then, is removed when the helper answers again.
func (e *engines) removeLater(cfg keeperapi.Config, err error) error {
	if !halted(err) {
		return err
	}
	// The home's cgroup is this user's (cgroups(7), cgroup.kill). It also ends
	// what is frozen.
	f, kerr := os.OpenFile(filepath.Join(cfg.Cgroup, "cgroup.kill"), os.O_WRONLY, 0)
	if kerr == nil {
		_, kerr = f.WriteString("1")
		kerr = errors.Join(kerr, f.Close())
	}
	if errors.Is(kerr, os.ErrNotExist) {
		return nil // it was removed
	}
	e.mu.Lock()
	e.left = append(e.left, cfg.Cgroup)
	e.later()
	e.mu.Unlock()
	if kerr != nil {
		return errors.Join(err, fmt.Errorf("end what runs in %s: %w", cfg.Cgroup, kerr))
	}
	return nil
}

// removeLeft removes the homes that could not be removed when they should have
// been.
func (e *engines) removeLeft(ctx context.Context, c *helperapi.Client) {
	e.mu.Lock()
	left := e.left
	e.left = nil
	e.mu.Unlock()
	for i, path := range left {
		if err := c.RemoveHome(ctx, path, true); ctx.Err() != nil || halted(err) {
			e.mu.Lock()
			e.left = append(left[i:], e.left...) // the next one tries
			e.mu.Unlock()
			return
		} // another error comes again when the home is made anew
	}
}

// later calls removeLeft, now and then until nothing is left. Call it with mu
// held.
func (e *engines) later() {
	if e.retry == nil {
		e.retry = time.AfterFunc(stalledRetry, e.again)
	}
}

func (e *engines) again() {
	e.mu.Lock()
	if e.retry == nil {
		e.mu.Unlock()
		return // closed
	}
	e.retry = nil
	c := e.client
	if c == nil {
		e.left = nil // with its helper a home that nobody is in goes too, when the next one is made
	}
	e.mu.Unlock()
	if c == nil {
		return
	}
	if _, stalled := stall.Look(c.Process()); !stalled {
		e.removeLeft(context.Background(), c)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.left) > 0 && e.client != nil {
		e.later()
	}
}

// withNotice makes a project that has another engine only because the helper
// does not run say so to the command that started it. p may be nil.
func (d *closer) withNotice(p *project) *project {
	if p == nil || p.rec.Config.Engine == loopback.EBPF || !strings.HasPrefix(p.rec.Config.EngineReason, "ebpf: ") {
		return p // asked for, or as good as it gets
	}
	d.engines.mu.Lock()
	err := d.engines.unreachable
	d.engines.mu.Unlock()
	var why *stall.Error
	if errors.As(err, &why) {
		text := fmt.Sprintf("engine %s is used for %s, since the helper does not answer: process %d is %s (hint: %s; then lodge down, and start it again)",
			p.rec.Config.Engine, p.rec.Config.Name, why.PID, why.Reason(), why.Hint())
		p.notice.Store(&text)
	}
	return p
}

// wakeToEnd makes a helper that this daemon started and that does not run take
// notice of the end of its connection.
func wakeToEnd(c *helperapi.Client) {
	h, ok := stall.Look(c.Pid())
	if !ok {
		return
	}
	sig := unix.SIGCONT
	if h.State != stall.Stopped {
		sig = unix.SIGKILL // its homes go on without it
	}
	_ = unix.Kill(h.PID, sig) // a child that was not waited for: no other process has its number
}

// keeperGrace is how long a keeper that does not run may take to end when it is
// killed. Only one in state D takes any.
const keeperGrace = 3 * time.Second

// downStalled ends a project whose keeper does not run. One that was stopped by
// a signal is continued, so that its services end as usual. What does not come
// back is killed, and what it leaves is cleared as after any keeper that died.
func (d *closer) downStalled(ctx context.Context, p *project, why *stall.Error, kill bool) error {
	if why.State == stall.Stopped && !kill {
		d.cfg.Log.Info("continue a stopped keeper, to end it", "project", p.rec.Config.ID, "pid", p.rec.PID)
		if err := signalKeeper(p.rec, unix.SIGCONT); err != nil {
			return err
		}
		err := p.client().Down(ctx, kill)
		if !errors.As(err, &why) {
			return err
		}
	}
	d.cfg.Log.Warn("kill a keeper that does not run", "project", p.rec.Config.ID, "pid", p.rec.PID, "why", why.Reason())
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
