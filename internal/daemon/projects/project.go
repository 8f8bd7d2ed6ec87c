package projects

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// Project is one that has a keeper.
type Project struct {
	rec  keeperapi.Record
	gone chan struct{} // closed when the keeper has ended and all is cleared
	// notice is what is told to the client that opens the project next.
	notice atomic.Pointer[string]

	// hearing serializes the states that are taken from the keeper, each with the
	// names that it leads to; it is taken before mu.
	hearing sync.Mutex

	mu   sync.Mutex // guards what follows
	last keeperapi.Project
	// trouble is why the keeper, which runs, cannot be asked; "" where it can.
	trouble string
}

func (p *Project) client() keeperapi.Client { return p.rec.Client() }

// Notice returns, once, what the client that opens the project should be told, or "".
func (p *Project) Notice() string {
	if text := p.notice.Swap(nil); text != nil {
		return *text
	}
	return ""
}

// told returns the state that the keeper told last.
func (p *Project) told() keeperapi.Project {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// take takes a state from the keeper unless a newer one is known, and returns the
// state before it.
func (p *Project) take(k keeperapi.Project) (old keeperapi.Project, newer bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	old = p.last
	newer = k.Seq > old.Seq
	p.trouble = ""
	if newer {
		p.last = k
	}
	return old, newer
}

// lost notes why the keeper cannot be asked.
func (p *Project) lost(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = why
}

// dirID is the device and inode of the project's directory.
func (p *Project) dirID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.DirID != "" {
		return p.last.DirID
	}
	return p.rec.Config.DirID
}

// State returns the project as its keeper told it last.
func (p *Project) State() localapi.Project {
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

// awaitEnd waits until a keeper that was told to end has ended and nothing of
// its project is left. One that is stopped meanwhile is a *stall.Error.
func (p *Project) awaitEnd(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, 5*time.Minute, fmt.Errorf("its keeper (process %d) does not end", p.rec.PID))
	defer cancel()
	ctx, done := stall.Guard(ctx, p.client().Peer())
	defer done()
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
