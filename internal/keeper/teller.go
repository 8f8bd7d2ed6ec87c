package keeper

import (
	"context"
	"os"
	"sync"
	"time"

	"lodge/internal/event"
	"lodge/internal/keeperapi"
	"lodge/internal/service/supervisor"
)

// teller tells clients what state the project is in.
type teller struct {
	cfg   keeperapi.Config
	sup   *supervisor.Supervisor
	place *place
	keys  *keyLog

	// telling makes the order of told states the order in which they were.
	telling sync.Mutex
	told    uint64 // guarded by telling

	mu sync.Mutex // guards what follows
	// logError is why output is not written to disk, or was not last.
	logError string
}

// noteLogError keeps why output is not written to disk.
func (t *teller) noteLogError(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logError = err.Error()
}

// project is the state as it is told to others.
func (t *teller) project() keeperapi.Project {
	t.telling.Lock()
	defer t.telling.Unlock()
	t.told++
	p := keeperapi.Project{
		Seq: t.told, ID: t.cfg.ID, Name: t.cfg.Name, Dir: t.cfg.Dir, Home: t.cfg.Home,
		Engine: t.cfg.Engine, EngineReason: t.cfg.EngineReason,
		PID: os.Getpid(), Version: t.cfg.Version, Services: t.sup.Status(),
		Others: t.sup.Others(),
	}
	t.mu.Lock()
	p.LogError = t.logError
	t.mu.Unlock()
	p.KeyLog = t.keys.inUse()
	t.place.look(&p)
	return p
}

// watch tells the state at every change, at most every 20 ms.
func (t *teller) watch(ctx context.Context, w *keeperapi.Wire) error {
	for {
		ch := t.sup.Changed()
		p := t.project()
		if err := w.Write(keeperapi.Reply{Project: &p}); err != nil {
			return err
		}
		select {
		case <-ch:
		case <-ctx.Done():
			return ctx.Err()
		}
		quiet := time.NewTimer(20 * time.Millisecond)
		select {
		case <-quiet.C:
		case <-ctx.Done():
			quiet.Stop()
			return ctx.Err()
		}
	}
}

// lastWords is how long a client may take to read what happened last when this
// keeper ends, or when the client hangs up.
const lastWords = 5 * time.Second

// events tells the transitions of the services, each as it happens. When the keeper
// ends, ctx does; what happened until then is still told.
func (t *teller) events(ctx context.Context, w *keeperapi.Wire, req keeperapi.Request) error {
	var after event.Position
	if req.After != nil {
		after = *req.After
	}
	// A client that does not read must not keep this process from its end.
	defer context.AfterFunc(ctx, func() { _ = w.Conn.SetWriteDeadline(time.Now().Add(lastWords)) })()
	s := t.sup.Events().Subscribe(after)
	for {
		list, err := s.Next(ctx)
		if err != nil {
			break
		}
		if err := w.Write(keeperapi.Reply{Events: list}); err != nil {
			return err
		}
	}
	for {
		list := s.Pending()
		if len(list) == 0 {
			return ctx.Err()
		}
		if err := w.Write(keeperapi.Reply{Events: list}); err != nil {
			return err
		}
	}
}
