package daemon

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/mark"
)

// core is what all parts of the daemon share.
type core struct {
	cfg     Config
	store   *store
	engines *engines
	naming  *naming
	shares  shares
	web     *web                    // set by Run
	serving atomic.Pointer[serving] // set by Run
	live    *liveMap
	events  *events
	started time.Time
	claim   *claim

	// mu guards what follows. It is never held while a keeper is started,
	// asked or awaited; opening[id] is.
	mu       sync.Mutex
	projects map[string]*project // by id
	opening  map[string]*sync.Mutex
	active   int // API calls under way
	idleFrom time.Time

	ctx    context.Context // ends the followers of keepers
	cancel context.CancelFunc
	// serveCtx ends the operations that run for clients; set by Run
	serveCtx context.Context
	owned    sync.WaitGroup
	poke     chan struct{} // something changed that may make it idle
}

func (d *core) touch() {
	select {
	case d.poke <- struct{}{}:
	default:
	}
}

func (d *core) recordPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Keepers(), id+".json")
}

func (d *core) socketPath(id string) string {
	return filepath.Join(d.cfg.Dirs.Keepers(), id+".sock")
}

func (d *core) logDir(id string) string { return filepath.Join(d.cfg.Dirs.State, "logs", id) }

// lockFor serializes opening and closing one project.
func (d *core) lockFor(id string) func() {
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
func (d *core) get(id string) (*project, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.projects[id]
	return p, ok
}

func (d *core) all() []*project {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]*project, 0, len(d.projects))
	for _, p := range d.projects {
		out = append(out, p)
	}
	return out
}

// markOf returns the mark of a project's home.
func (d *core) markOf(id string) mark.Home { return mark.Of(d.cfg.Dirs.Runtime, id) }
