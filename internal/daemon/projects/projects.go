// Package projects has the projects of a daemon that are up: it opens them, each with a
// keeper in a home of its own, follows their keepers, finds those of an earlier daemon
// again, ends them, and clears up after keepers that have ended. What runs inside a
// project is its keeper's.
package projects

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"lodge/internal/daemon/engines"
	"lodge/internal/daemon/store"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/mark"
)

// Options is what projects need.
type Options struct {
	Dirs localapi.Dirs
	// Keeper is the path of the program that keepers run.
	Keeper  string
	Version string
	Log     *slog.Logger
	// Output takes what keepers write to their standard error.
	Output  *os.File
	Store   *store.Store
	Engines *engines.Engines
	Events  Events
	Names   Names
	// Changed is called when a project has gone; nil: nothing is called.
	Changed func()
}

// Events is told what becomes of keepers.
type Events interface {
	// Up tells that a keeper is followed, Down that it has ended and all is cleared.
	Up(keeperapi.Record)
	Down(keeperapi.Record)
	// Follow passes on what a keeper tells until it has ended, or ctx has.
	Follow(context.Context, keeperapi.Record)
	// Heard tells two states of a project, one after the other.
	Heard(rec keeperapi.Record, old, now keeperapi.Project)
}

// Names is told that the state of a project has changed.
type Names interface {
	// Rename returns when names lead to where the states of projects say.
	Rename()
}

func (o *Options) recordPath(id string) string {
	return filepath.Join(o.Dirs.Keepers(), id+".json")
}

func (o *Options) socketPath(id string) string {
	return filepath.Join(o.Dirs.Keepers(), id+".sock")
}

// logDir returns the directory with the output of a project's services.
func (o *Options) logDir(id string) string { return filepath.Join(o.Dirs.State, "logs", id) }

// mark returns the mark of a project's home.
func (o *Options) mark(id string) mark.Home { return mark.Of(o.Dirs.Runtime, id) }

// Projects are the projects that are up.
type Projects struct {
	options Options
	table   table
	// ctx ends the following of keepers, which go on.
	ctx      context.Context
	stop     context.CancelFunc
	followed sync.WaitGroup
}

// New returns the projects of a daemon. None is up yet, also not those of an earlier
// daemon: see [Projects.Adopt].
func New(o Options) *Projects {
	ps := &Projects{options: o, table: newTable()}
	ps.ctx, ps.stop = context.WithCancel(context.Background())
	return ps
}

// Close ends what is done for projects. They stay up.
func (ps *Projects) Close() {
	ps.stop()
	ps.followed.Wait()
}

// Get returns an open project.
func (ps *Projects) Get(id string) (*Project, bool) { return ps.table.get(id) }

// LogDir returns the directory with the output of a project's services.
func (ps *Projects) LogDir(id string) string { return ps.options.logDir(id) }

// Has reports whether a project is open.
func (ps *Projects) Has(id string) bool {
	_, ok := ps.table.get(id)
	return ok
}

// All returns the open projects, in no order.
func (ps *Projects) All() []*Project { return ps.table.all() }

// Told returns the states of the open projects as their keepers told them last, without
// those that have told none.
func (ps *Projects) Told() []keeperapi.Project {
	var out []keeperapi.Project
	for _, p := range ps.table.all() {
		if k := p.told(); k.ID != "" {
			out = append(out, k)
		}
	}
	return out
}

// Client returns a client of a project's keeper.
func (ps *Projects) Client(id string) (c keeperapi.Client, ok bool) {
	p, ok := ps.table.get(id)
	if ok {
		c = p.client()
	}
	return c, ok
}

// State returns a project as its keeper told it last.
func (ps *Projects) State(id string) (st localapi.Project, ok bool) {
	p, ok := ps.table.get(id)
	if ok {
		st = p.State()
	}
	return st, ok
}

// Gone returns a channel that is closed when a project that is open now is so no more.
func (ps *Projects) Gone(id string) (gone <-chan struct{}, ok bool) {
	p, ok := ps.table.get(id)
	if ok {
		gone = p.gone
	}
	return gone, ok
}

// Look asks a project's keeper for its state, and returns when names lead to where that
// says, or the keeper gives no answer.
func (ps *Projects) Look(ctx context.Context, id string) {
	p, ok := ps.table.get(id)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, askKeeper)
	defer cancel()
	if k, err := p.client().Status(ctx); err == nil {
		ps.hear(p, k)
	}
}
