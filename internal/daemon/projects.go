package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeper"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/sockets"
	"lodge/internal/stall"
)

// project is one that has a keeper.
type project struct {
	rec  keeper.Record
	gone chan struct{} // closed when the keeper has ended and all is cleared
	// notice is what whoever opens the project next is told.
	notice atomic.Pointer[string]

	mu   sync.Mutex // guards last
	last keeper.Project
}

func (p *project) client() keeper.Client {
	c := p.rec.Config
	return keeper.Client{Socket: c.Socket, Project: c.Name, PID: p.rec.PID}
}

func (p *project) state() localapi.Project {
	p.mu.Lock()
	k := p.last
	p.mu.Unlock()
	c := p.rec.Config
	if k.ID == "" {
		k = keeper.Project{ID: c.ID, Name: c.Name, Dir: c.Dir, Home: c.Home, Engine: c.Engine, EngineReason: c.EngineReason, PID: p.rec.PID}
	}
	return localapi.FromKeeper(k, c.Socket, c.LogDir)
}

func (d *Daemon) recordPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Runtime, "k", id+".json")
}

func (d *Daemon) socketPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Runtime, "k", id+".sock")
}

func (d *Daemon) logDir(id string) string { return filepath.Join(d.cfg.Dirs.State, "logs", id) }

// adopt takes back the keepers that outlived the daemon before this one, and
// clears after those that did not.
func (d *Daemon) adopt(ctx context.Context) {
	names, _ := filepath.Glob(filepath.Join(d.cfg.Dirs.Runtime, "k", "*.json"))
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			continue // it ended just now
		}
		var rec keeper.Record
		if err := json.Unmarshal(b, &rec); err != nil || !validID(rec.Config.ID) {
			d.cfg.Log.Warn("ignored a keeper's record that is not readable", "file", n, "err", err)
			_ = os.Rename(n, n+".corrupt")
			continue
		}
		if procfs.Alive(rec.PID, rec.StartTime) {
			c := rec.Config
			d.store.keep(remembered{ID: c.ID, Name: c.Name, Path: c.Dir, Home: c.Home.IP4, Used: rec.Started})
			d.follow(rec, nil)
			continue
		}
		if err := d.clear(ctx, rec); err != nil {
			d.cfg.Log.Warn("clear after a keeper that died", "project", rec.Config.ID, "err", err)
		}
	}
	d.sweep(ctx)
}

// follow keeps a project's state until its keeper ends, then clears up.
// reap, where it is given, waits for the keeper as its parent must.
func (d *Daemon) follow(rec keeper.Record, reap func()) *project {
	p := &project{rec: rec, gone: make(chan struct{})}
	d.mu.Lock()
	d.projects[rec.Config.ID] = p
	d.mu.Unlock()
	d.owned.Add(1)
	go func() {
		defer d.owned.Done()
		watching := p.client()
		watching.Waits = true // a keeper that is stopped may go on
		err := watching.Watch(d.ctx, func(k keeper.Project) error {
			d.heard(p, k)
			return nil
		})
		if d.ctx.Err() != nil {
			return // the daemon ends, the keeper does not
		}
		if reap != nil {
			reap()
		} else {
			d.awaitEnd(rec)
		}
		if d.ctx.Err() != nil {
			return
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
		close(p.gone)
		d.touch()
	}()
	return p
}

// heard takes a project's state from its keeper, and returns when names lead to
// where that says.
func (d *Daemon) heard(p *project, k keeper.Project) {
	d.naming.renaming.Lock()
	defer d.naming.renaming.Unlock()
	p.mu.Lock()
	old := p.last
	newer := k.Seq > old.Seq
	if newer {
		p.last = k
	}
	p.mu.Unlock()
	old.Seq = k.Seq
	if newer && !reflect.DeepEqual(old, k) {
		d.renameLocked()
	}
}

// awaitEnd waits for the end of a keeper that is no child of this process.
func (d *Daemon) awaitEnd(rec keeper.Record) {
	fd, err := unix.PidfdOpen(rec.PID, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	for procfs.Alive(rec.PID, rec.StartTime) && d.ctx.Err() == nil {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(fds, 200); n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
			return
		}
	}
}

// clear removes what a keeper that has ended left: processes, if it was
// killed, its cgroup, its files.
func (d *Daemon) clear(ctx context.Context, rec keeper.Record) error {
	c := rec.Config
	var errs []error
	if c.Engine == loopback.EBPF {
		// What is in its cgroup goes with that, and what left it has the mark.
		errs = append(errs, d.engines.removeHome(ctx, c), killStrays(ctx, c.Home.Mark, ""))
	} else {
		errs = append(errs, killStrays(ctx, c.Home.Mark, c.Home.ID))
	}
	for _, f := range []string{c.Socket, c.Record, keeper.HostsPath(c.Record)} {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// lockFor serializes opening and closing one project.
func (d *Daemon) lockFor(id string) func() {
	d.mu.Lock()
	m, ok := d.opening[id]
	if !ok {
		m = &sync.Mutex{}
		d.opening[id] = m
	}
	d.mu.Unlock()
	m.Lock()
	return m.Unlock
}

// get gives an open project.
func (d *Daemon) get(id string) (*project, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.projects[id]
	return p, ok
}

// open gives the project's keeper, started now if there is none.
func (d *Daemon) open(ctx context.Context, r localapi.OpenRequest) (*project, error) {
	if !filepath.IsAbs(r.Path) {
		return nil, fmt.Errorf("open project %q: its path is not absolute", r.Path)
	}
	if r.Engine != "" {
		if _, err := loopback.ParseEngine(string(r.Engine)); err != nil {
			return nil, fmt.Errorf("open project %s: %w", r.Path, err)
		}
	}
	if r.Isolation != "" {
		if _, err := loopback.ParseIsolation(string(r.Isolation)); err != nil {
			return nil, fmt.Errorf("open project %s: %w", r.Path, err)
		}
	}
	r.Path = filepath.Clean(r.Path)
	if r.Name == "" {
		r.Name = filepath.Base(r.Path)
	}
	if fi, err := os.Stat(r.Path); err != nil || !fi.IsDir() {
		return nil, &localapi.Error{Message: fmt.Sprintf("open project %s: there is no such directory", r.Path)}
	}
	unlock := d.lockFor(r.Path)
	defer unlock()
	for _, p := range d.all() {
		if p.rec.Config.Dir != r.Path {
			continue
		}
		switch _, err := p.client().Status(ctx); {
		case halted(err):
			return nil, err
		case errors.Is(err, keeper.ErrGone):
			// It is ending just now.
			select {
			case <-p.gone:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		c := p.rec.Config
		if r.Engine != "" && r.Engine != c.Engine {
			return nil, &localapi.Error{
				Message: fmt.Sprintf("use engine %s: project %s runs with %s", r.Engine, c.Name, c.Engine),
				Hint:    "end it first: lodge down",
			}
		}
		if r.Isolation != "" && r.Isolation != c.Home.Isolation {
			return nil, &localapi.Error{
				Message: fmt.Sprintf("use isolation %s: project %s runs with %s", r.Isolation, c.Name, c.Home.Isolation),
				Hint:    "end it first: lodge down",
			}
		}
		return p, nil
	}
	return d.start(ctx, r)
}

func (d *Daemon) all() []*project {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*project, 0, len(d.projects))
	for _, p := range d.projects {
		out = append(out, p)
	}
	return out
}

// usableHome says whether an address can be a home: it can be bound, and
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
		socks, err := sockets.Dump(loopback.TCP, family, listening)
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

// down ends a project and returns when nothing of it is left. With kill nothing
// is given time to end by itself.
func (d *Daemon) down(ctx context.Context, id string, kill bool) error {
	p, ok := d.get(id)
	if !ok {
		return nil
	}
	err := p.client().Down(ctx, kill)
	var why *stall.Error
	if errors.As(err, &why) {
		err = d.downStalled(ctx, p, why, kill)
	}
	if err != nil && !errors.Is(err, keeper.ErrGone) {
		return err
	}
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end project %s: %w", id, ctx.Err())
	case <-time.After(5 * time.Minute):
		return fmt.Errorf("end project %s: its keeper (process %d) does not end", id, p.rec.PID)
	}
}
