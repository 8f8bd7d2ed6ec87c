package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
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

func (d *Daemon) recordPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Keepers(), id+".json")
}

func (d *Daemon) socketPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Keepers(), id+".sock")
}

func (d *Daemon) logDir(id string) string { return filepath.Join(d.cfg.Dirs.State, "logs", id) }

// follow keeps a project's state until its keeper ends, then clears up.
// reap, where it is given, waits for the keeper as its parent must.
func (d *Daemon) follow(rec keeperapi.Record, reap func()) *project {
	p := &project{rec: rec, gone: make(chan struct{})}
	d.mu.Lock()
	d.projects[rec.Config.ID] = p
	d.mu.Unlock()
	d.projectUp(rec)
	told := make(chan struct{}) // closed when all is passed on that the keeper told
	d.owned.Go(func() { defer close(told); d.followEvents(p) })
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
		d.projectDown(rec, "")
		close(p.gone)
		d.touch()
	}()
	return p
}

// heard takes a project's state from its keeper, and returns when names lead to
// where that says.
func (d *Daemon) heard(p *project, k keeperapi.Project) {
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
		d.derive(p, old, k)
		d.renameLocked()
	}
}

// clear removes what a keeper that has ended left: processes, if it was
// killed, its cgroup, its files.
func (d *Daemon) clear(ctx context.Context, rec keeperapi.Record) error {
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

// get returns an open project.
func (d *Daemon) get(id string) (*project, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.projects[id]
	return p, ok
}

// open returns the project's keeper, started now if there is none.
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
	unlock := d.lockFor(r.Path)
	defer unlock()
	p, err := d.running(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	if p != nil {
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
	if fi, err := os.Stat(r.Path); err != nil || !fi.IsDir() {
		return nil, &localapi.Error{Message: fmt.Sprintf("open project %s: there is no such directory", r.Path)}
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
