package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/sockets/diag"
	"lodge/internal/unixsock"
)

// project is one that has a keeper.
type project struct {
	rec  keeperapi.Record
	gone chan struct{} // closed when the keeper has ended and all is cleared
	// notice is what whoever opens the project next is told.
	notice atomic.Pointer[string]

	// derives: the keeper tells no events, so that they are derived from its states.
	derives atomic.Bool

	mu   sync.Mutex // guards what follows
	last keeperapi.Project
	// trouble is why the keeper, which runs, cannot be asked; "" where it can.
	trouble string
}

func (p *project) client() keeperapi.Client {
	c := p.rec.Config
	return keeperapi.Client{Socket: c.Socket, Project: c.Name, PID: p.rec.PID}
}

// dirID is the device and inode of the project's directory.
func (p *project) dirID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.DirID != "" {
		return p.last.DirID
	}
	return p.rec.Config.DirID
}

func (p *project) state() localapi.Project {
	p.mu.Lock()
	k, trouble := p.last, p.trouble
	p.mu.Unlock()
	c := p.rec.Config
	if k.ID == "" {
		k = keeperapi.Project{ID: c.ID, Name: c.Name, Dir: c.Dir, DirID: c.DirID, Home: c.Home, Engine: c.Engine, EngineReason: c.EngineReason, PID: p.rec.PID, Version: c.Version}
	}
	out := localapi.FromKeeper(k, c.Socket, c.LogDir)
	if trouble != "" {
		out.Unresponsive = fmt.Sprintf("its keeper (process %d) cannot be reached: %s", p.rec.PID, trouble)
		out.UnresponsiveHint = "end the project: lodge down --project " + c.ID
	}
	return out
}

// follower follows the keepers of projects, and clears up after them.
type follower struct{ namer }

// follow keeps a project's state until its keeper ends, then clears up.
// reap, where it is given, waits for the keeper as its parent must.
func (d *follower) follow(rec keeperapi.Record, reap func()) *project {
	p := &project{rec: rec, gone: make(chan struct{})}
	d.mu.Lock()
	d.projects[rec.Config.ID] = p
	d.mu.Unlock()
	d.events.projectUp(rec)
	told := make(chan struct{}) // closed when all is passed on that the keeper told
	d.owned.Go(func() { defer close(told); d.events.follow(d.ctx, p) })
	d.owned.Add(1)
	go func() {
		defer d.owned.Done()
		err := d.watch(p)
		<-told
		if d.ctx.Err() != nil {
			return // the daemon ends, the keeper does not
		}
		if reap != nil {
			reap()
		}
		if cerr := d.clear(d.ctx, rec); cerr != nil {
			d.cfg.Log.Warn("clear after a project", "project", rec.Config.ID, "err", cerr, "watch", err)
		}
		d.mu.Lock()
		if d.projects[rec.Config.ID] == p {
			delete(d.projects, rec.Config.ID)
		}
		d.mu.Unlock()
		d.rename()
		d.events.projectDown(rec)
		close(p.gone)
		d.touch()
	}()
	return p
}

// heard takes a project's state from its keeper, and returns when names lead to
// where that says.
func (d *follower) heard(p *project, k keeperapi.Project) {
	d.naming.renaming.Lock()
	defer d.naming.renaming.Unlock()
	p.mu.Lock()
	old := p.last
	newer := k.Seq > old.Seq
	p.trouble = ""
	if newer {
		p.last = k
	}
	p.mu.Unlock()
	old.Seq = k.Seq
	if newer && !reflect.DeepEqual(old, k) {
		d.events.derive(p, old, k)
		d.renameLocked()
	}
}

// clear removes what a keeper that has ended left: processes, if it was
// killed, its cgroup, its files.
func (d *follower) clear(ctx context.Context, rec keeperapi.Record) error {
	c := rec.Config
	var errs []error
	if c.Engine == loopback.EBPF {
		// What is in its cgroup goes with that, and what left it has the mark.
		errs = append(errs, d.engines.removeHome(ctx, c), killStrays(ctx, c.Home.Mark, ""))
	} else {
		errs = append(errs, killStrays(ctx, c.Home.Mark, c.Home.ID))
	}
	return errors.Join(append(errs, removeFiles(c))...)
}

// removeFiles removes what a keeper that has ended left on disk.
func removeFiles(c keeperapi.Config) error {
	var errs []error
	for _, f := range []string{c.Socket, c.Record, c.SpareRecord, keeperapi.HostsPath(c.Record)} {
		if f == "" {
			continue
		}
		if err := os.Remove(f); err != nil && !unixsock.NoPath(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// usableHome reports whether an address can be a home: it can be bound, and
// nobody listens on it.
func usableHome(ip netip.Addr) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: ip.As4()}); err != nil {
		return os.NewSyscallError("bind "+ip.String(), err)
	}
	const listening = 1 << 10 // TCP_LISTEN, include/net/tcp_states.h
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		socks, err := diag.Dump(loopback.TCP, family, listening)
		if err != nil {
			return nil
		}
		for _, s := range socks {
			if s.Src.Addr().Unmap() == ip {
				return fmt.Errorf("somebody listens on %s", s.Src)
			}
		}
	}
	return nil
}

// watch follows a keeper until it has ended, or the daemon ends. A keeper whose
// socket is gone is tried again as long as it runs.
func (d *follower) watch(p *project) error {
	for {
		watching := p.client()
		watching.Waits = true // a keeper that is stopped may go on
		err := watching.Watch(d.ctx, func(k keeperapi.Project) error {
			d.heard(p, k)
			return nil
		})
		for over := time.Now().Add(watchRetry); time.Now().Before(over); {
			if d.ctx.Err() != nil || pidfd.AwaitEnd(p.rec.PID, p.rec.StartTime, 100*time.Millisecond) {
				return err
			}
		}
		if !procfs.Alive(p.rec.PID, p.rec.StartTime) {
			return err
		}
		p.mu.Lock()
		p.trouble = unreachable(err)
		p.mu.Unlock()
	}
}
