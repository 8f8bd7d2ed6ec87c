package projects

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/internal/daemon/engines"
	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/stall"
)

// startPatience bounds the start of a keeper.
const startPatience = 60 * time.Second

// starter starts the keepers of projects, each in a home of its own.
type starter struct {
	options *Options
	// ctx ends with the daemon.
	ctx context.Context
	// follow makes a project of a keeper that runs.
	follow func(rec keeperapi.Record, reap func()) *Project
}

// start makes a home and its keeper. It is one operation: when the client goes
// away meanwhile (Ctrl-C), it is finished under the daemon's own context and
// then undone, so that the next client finds nothing half made. The caller holds
// the project's lock.
func (s *starter) start(ctx context.Context, r localapi.OpenRequest) (*Project, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	own, cancel := context.WithTimeout(s.ctx, startPatience)
	defer cancel()
	p, err := s.startWhole(own, r)
	if err != nil || ctx.Err() == nil {
		return p, err
	}
	return nil, errors.Join(fmt.Errorf("open project %s: %w", r.Path, ctx.Err()), p.down(own, false, s.options.Log))
}

func (s *starter) startWhole(ctx context.Context, r localapi.OpenRequest) (*Project, error) {
	engine, reason, err := s.options.Engines.Choose(ctx, r.Engine)
	if err != nil {
		return nil, err
	}
	// Addresses that turned out to be another user's.
	taken := map[netip.Addr]error{}
	for {
		cfg, err := s.configure(r, taken)
		if err != nil {
			return nil, err
		}
		cfg.Engine, cfg.EngineReason = engine, reason
		started, err := s.launch(ctx, cfg)
		var none *noHomeError
		if !errors.As(err, &none) {
			return s.withNotice(started), err
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
		s.options.Engines.Failed(err)
		if cfg.Engine, cfg.EngineReason, err = engines.Without("", "ebpf: "+err.Error()); err != nil {
			return nil, err
		}
		started, err = s.launch(ctx, cfg)
		return s.withNotice(started), err
	}
}

// configure finds a home for the project, none of those that are taken.
func (s *starter) configure(r localapi.OpenRequest, taken map[netip.Addr]error) (keeperapi.Config, error) {
	p, err := s.options.Store.Home(r.Path, r.Name, func(ip netip.Addr) error {
		if err := taken[ip]; err != nil {
			return err
		}
		if err := othersHome(ip); err != nil {
			return err
		}
		return engines.UsableHome(ip)
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
		Socket: s.options.socketPath(p.ID), Record: s.options.recordPath(p.ID), SpareRecord: filepath.Join(s.options.Dirs.Spare(), p.ID+".json"),
		LogDir: s.options.logDir(p.ID),
		Home:   home.Spec{ID: p.ID, IP4: p.Home, Isolation: iso, Mark: s.options.mark(p.ID)},
		Exe:    s.options.Keeper, Version: s.options.Version,
	}
	if fi, err := os.Stat(r.Path); err == nil {
		cfg.DirID = keeperapi.DirID(fi)
	}
	return cfg, nil
}

// withNotice makes a project that has another engine only because the helper
// does not run say so to the command that started it. p may be nil.
func (s *starter) withNotice(p *Project) *Project {
	if p == nil || p.rec.Config.Engine == loopback.EBPF || !strings.HasPrefix(p.rec.Config.EngineReason, "ebpf: ") {
		return p // asked for, or as good as it gets
	}
	var why *stall.Error
	if errors.As(s.options.Engines.Unreachable(), &why) {
		text := fmt.Sprintf("engine %s is used for %s, since the helper does not answer: process %d is %s (hint: %s; then lodge down, and start it again)",
			p.rec.Config.Engine, p.rec.Config.Name, why.PID, why.Reason(), why.Hint())
		p.notice.Store(&text)
	}
	return p
}

// noHomeError says that the engine could make no home, as another might.
type noHomeError struct{ err error }

func (e *noHomeError) Error() string { return e.err.Error() }
func (e *noHomeError) Unwrap() error { return e.err }

// undoPatience is how long a home whose keeper could not be started may take
// to be removed.
const undoPatience = 15 * time.Second

// launch starts a project's keeper in a home of its own and waits until it
// serves.
func (s *starter) launch(ctx context.Context, cfg keeperapi.Config) (*Project, error) {
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if cfg.Engine == loopback.EBPF {
		var err error
		if files, err = s.options.Engines.CreateHome(ctx, &cfg); err != nil {
			return nil, &noHomeError{err}
		}
	}
	rec, reap, err := s.options.spawn(ctx, cfg, files)
	if err != nil {
		if cfg.Engine == loopback.EBPF {
			undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoPatience)
			defer cancel()
			err = errors.Join(err, s.options.Engines.RemoveHome(undo, cfg))
		}
		return nil, err
	}
	return s.follow(rec, reap), nil
}
