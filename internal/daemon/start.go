package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
)

// startPatience bounds the start of a keeper.
const startPatience = 60 * time.Second

// opener opens projects: it starts their keepers, each in a home of its own.
type opener struct{ closer }

// start makes a home and its keeper. It is one operation: when the client goes
// away meanwhile (Ctrl-C), it is finished under the daemon's own context and
// then undone, so that the next client finds nothing half made. The caller holds
// the project's lock.
func (d *opener) start(ctx context.Context, r localapi.OpenRequest) (*project, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, cancel := context.WithTimeout(d.ctx, startPatience)
	defer cancel()
	p, err := d.startWhole(own, r)
	if err != nil || ctx.Err() == nil {
		return p, err
	}
	return nil, errors.Join(fmt.Errorf("open project %s: %w", r.Path, ctx.Err()), d.down(own, p.rec.Config.ID, false))
}

func (d *opener) startWhole(ctx context.Context, r localapi.OpenRequest) (*project, error) {
	engine, reason, err := d.engines.choose(ctx, r.Engine)
	if err != nil {
		return nil, err
	}
	// Addresses that turned out to be somebody else's.
	taken := map[netip.Addr]error{}
	for {
		cfg, err := d.configure(r, taken)
		if err != nil {
			return nil, err
		}
		cfg.Engine, cfg.EngineReason = engine, reason
		started, err := d.launch(ctx, cfg)
		var none *noHomeError
		if !errors.As(err, &none) {
			return d.withNotice(started), err
		}
		if helperapi.Taken(err) && taken[cfg.Home.IP4] == nil {
			taken[cfg.Home.IP4] = err
			continue // the next address
		}
		if r.Engine != "" {
			return nil, &localapi.Error{Message: fmt.Sprintf("use engine %s: %v", engine, err), Hint: "lodge doctor, or --engine seccomp"}
		}
		if ctx.Err() != nil {
			return nil, err
		}
		d.engines.failed(err)
		if cfg.Engine, cfg.EngineReason, err = d.engines.without("", "ebpf: "+err.Error()); err != nil {
			return nil, err
		}
		started, err = d.launch(ctx, cfg)
		return d.withNotice(started), err
	}
}

// configure finds a home for the project, none of those that are taken.
func (d *opener) configure(r localapi.OpenRequest, taken map[netip.Addr]error) (keeperapi.Config, error) {
	p, err := d.store.home(r.Path, r.Name, func(ip netip.Addr) error {
		if err := taken[ip]; err != nil {
			return err
		}
		if err := othersHome(ip); err != nil {
			return err
		}
		return usableHome(ip)
	})
	if err != nil {
		return keeperapi.Config{}, &localapi.Error{Message: err.Error(), Hint: "lodge needs 127.64.0.0/10 on the loopback interface: see `ip address show lo`, and: lodge doctor"}
	}
	iso := r.Isolation
	if iso == "" {
		iso = loopback.Overlay
	}
	cfg := keeperapi.Config{
		ID: p.ID, Name: r.Name, Dir: r.Path,
		Socket: d.socketPath(p.ID), Record: d.recordPath(p.ID), SpareRecord: filepath.Join(d.cfg.Dirs.Spare(), p.ID+".json"),
		LogDir: d.logDir(p.ID),
		Home:   home.Spec{ID: p.ID, IP4: p.Home, Isolation: iso, Mark: d.markOf(p.ID)},
		Exe:    d.cfg.Lodge, Version: d.cfg.Version,
	}
	if fi, err := os.Stat(r.Path); err == nil {
		cfg.DirID = keeperapi.DirID(fi)
	}
	return cfg, nil
}

// othersHome reports whose home is at an address, if it is another user's.
func othersHome(ip netip.Addr) error {
	uid, ok := helperapi.HomeOf(ip)
	if !ok || uid == uint32(os.Geteuid()) {
		return nil
	}
	return fmt.Errorf("%s has a home at %s", userName(uid), ip)
}

// userName names a user for people.
func userName(uid uint32) string {
	n := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(n); err == nil {
		return fmt.Sprintf("user %s (%s)", u.Username, n)
	}
	return "user " + n
}

// open returns the project's keeper, started now if there is none.
func (d *opener) open(ctx context.Context, r localapi.OpenRequest) (*project, error) {
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
