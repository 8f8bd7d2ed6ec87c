package projects

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lodge/internal/daemon/store"
	"lodge/internal/daemon/strays"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/stall"
)

// Open returns the project of a directory, whose keeper is started now if there is
// none.
func (ps *Projects) Open(ctx context.Context, r localapi.OpenRequest) (*Project, error) {
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
	defer ps.table.lock(r.Path)()
	p, err := ps.running(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	if p != nil {
		return p, otherWishes(p.rec.Config, r)
	}
	if fi, err := os.Stat(r.Path); err != nil || !fi.IsDir() {
		return nil, &localapi.Error{Message: fmt.Sprintf("open project %s: there is no such directory", r.Path)}
	}
	s := starter{options: &ps.options, ctx: ps.ctx, follow: ps.follow}
	return s.start(ctx, r)
}

// otherWishes returns an error if a project that is up has not the engine or isolation
// that a client asks for.
func otherWishes(c keeperapi.Config, r localapi.OpenRequest) error {
	var what string
	switch {
	case r.Engine != "" && r.Engine != c.Engine:
		what = fmt.Sprintf("use engine %s: project %s runs with %s", r.Engine, c.Name, c.Engine)
	case r.Isolation != "" && r.Isolation != c.Home.Isolation:
		what = fmt.Sprintf("use isolation %s: project %s runs with %s", r.Isolation, c.Name, c.Home.Isolation)
	default:
		return nil
	}
	return &localapi.Error{Message: what, Hint: "end it first: lodge down"}
}

// endingFor is how long a keeper that is said to be gone may take to end.
const endingFor = 30 * time.Second

// running returns the project that is up at the path, or nil for none. A second
// copy must not be started beside one that cannot be asked: that is an error.
func (ps *Projects) running(ctx context.Context, path string) (*Project, error) {
	for {
		p := ps.table.at(path)
		if p == nil {
			return nil, nil
		}
		k, err := p.client().Status(ctx)
		switch {
		case err == nil:
			ps.hear(p, k) // its directory may have moved, which the keeper does not tell by itself
			return p, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case stall.Is(err):
			return nil, err
		case errors.Is(err, keeperapi.ErrGone): // it is about to end
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

// Down ends a project and returns when nothing of it is left. With kill nothing
// is given time to end by itself.
func (ps *Projects) Down(ctx context.Context, id string, kill bool) error {
	p, ok := ps.table.get(id)
	if !ok {
		return nil
	}
	return p.down(ctx, kill, ps.options.Log)
}

// Adopt takes back the keepers that outlived the daemon before this one, and
// clears after those that did not. No single file is needed for it: a keeper has
// a record in the runtime directory and one in the state directory, and one that
// has lost both has its configuration in its environment.
func (ps *Projects) Adopt(ctx context.Context) {
	dirs, log := ps.options.Dirs, ps.options.Log
	dead := make(map[string]keeperapi.Record)
	boot := procfs.BootID()
	for _, dir := range []string{dirs.Keepers(), dirs.Spare()} {
		for _, rec := range records(dir, log) {
			id := rec.Config.ID
			switch {
			case rec.BootID != "" && rec.BootID != boot || !procfs.Alive(rec.PID, rec.StartTime):
				dead[id] = rec
			default:
				ps.adopt(rec)
			}
		}
	}
	for _, rec := range keeperapi.Running(dirs.Keepers()) {
		if store.ValidID(rec.Config.ID) {
			ps.adopt(rec)
		}
	}
	for id, rec := range dead {
		if ps.Has(id) {
			continue // an old record of it
		}
		if rec.BootID != "" && rec.BootID != boot {
			// Nothing of it has survived, and its process id means another one.
			if err := removeFiles(rec.Config); err != nil {
				log.Warn("remove the record of a keeper of before the last boot", "project", id, "err", err)
			}
			continue
		}
		if err := ps.clear(ctx, rec); err != nil {
			log.Warn("clear after a keeper that died", "project", id, "err", err)
		}
	}
	ps.sweep(ctx)
}

// adopt follows a keeper that runs, unless it is followed already.
func (ps *Projects) adopt(rec keeperapi.Record) {
	c := rec.Config
	if p, ok := ps.table.get(c.ID); ok {
		if p.rec.PID != rec.PID {
			ps.options.Log.Warn("two keepers of one project", "project", c.ID, "used", p.rec.PID, "other", rec.PID)
		}
		return
	}
	ps.options.Store.Keep(store.Project{ID: c.ID, Name: c.Name, Path: c.Dir, Home: c.Home.IP4, Used: rec.Started})
	ps.follow(rec, nil)
}

// sweep ends what is left of homes that have neither a keeper nor a record of one.
func (ps *Projects) sweep(ctx context.Context) {
	left, err := strays.Orphaned()
	if err != nil {
		ps.options.Log.Warn("look for what keepers left", "err", err)
		return
	}
	known, _ := ps.options.Store.List()
	for _, p := range known {
		home := ps.options.mark(p.ID)
		if ps.Has(p.ID) || !left[home] {
			continue
		}
		if err := strays.Kill(ctx, home, p.ID); err != nil {
			ps.options.Log.Warn("clear after a keeper without a record", "project", p.ID, "err", err)
		}
	}
}
