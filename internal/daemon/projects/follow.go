package projects

import (
	"context"
	"errors"
	"os"
	"reflect"
	"sync"
	"time"

	"lodge/internal/daemon/strays"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/unixsock"
)

// follow keeps a project's state until its keeper ends, then clears up.
// reap, where it is given, waits for the keeper as its parent must.
func (ps *Projects) follow(rec keeperapi.Record, reap func()) *Project {
	p := &Project{rec: rec, gone: make(chan struct{})}
	ps.table.add(p)
	ps.options.Events.Up(rec)
	told := make(chan struct{}) // closed when all is passed on that the keeper told
	ps.followed.Go(func() { defer close(told); ps.options.Events.Follow(ps.ctx, rec) })
	ps.followed.Go(func() {
		err := ps.watch(p)
		<-told
		if ps.ctx.Err() != nil {
			return // the daemon ends, the keeper does not
		}
		if reap != nil {
			reap()
		}
		if cerr := ps.clear(ps.ctx, rec); cerr != nil {
			ps.options.Log.Warn("clear after a project", "project", rec.Config.ID, "err", cerr, "watch", err)
		}
		ps.table.remove(p)
		ps.options.Names.Rename()
		ps.options.Events.Down(rec)
		close(p.gone)
		if ps.options.Changed != nil {
			ps.options.Changed()
		}
	})
	return p
}

// watch follows a keeper until it has ended, or the daemon ends. A keeper whose
// socket is gone is tried again as long as it runs.
func (ps *Projects) watch(p *Project) error {
	for {
		watching := p.client()
		watching.Waits = true // a keeper that is stopped may go on
		err := watching.Watch(ps.ctx, func(k keeperapi.Project) error {
			ps.hear(p, k)
			return nil
		})
		if p.rec.AwaitRetry(ps.ctx) {
			return err
		}
		p.lost(unreachable(err))
	}
}

// hear takes a project's state from its keeper, and returns when names lead to
// where that says.
func (ps *Projects) hear(p *Project, k keeperapi.Project) {
	p.hearing.Lock()
	defer p.hearing.Unlock()
	old, newer := p.take(k)
	old.Seq = k.Seq
	if !newer || reflect.DeepEqual(old, k) {
		return
	}
	ps.options.Events.Heard(p.rec, old, k)
	ps.options.Names.Rename()
}

// askKeeper bounds how long a list waits for one keeper that runs: more than one
// needs on a machine that has many times more to do than it can. A keeper that
// is stopped is known sooner.
const askKeeper = 5 * time.Second

// States returns every open project as its keeper has it now. The keepers are
// asked at the same time, and one that does not answer delays the others by no
// more than 5 s: what it told last is returned, with the reason.
func (ps *Projects) States(ctx context.Context) []localapi.Project {
	all := ps.table.all()
	out := make([]localapi.Project, len(all))
	var asked sync.WaitGroup
	for i, p := range all {
		asked.Go(func() { out[i] = ps.stateNow(ctx, p) })
	}
	asked.Wait()
	return out
}

func (ps *Projects) stateNow(ctx context.Context, p *Project) localapi.Project {
	st := p.State()
	short, cancel := context.WithTimeout(ctx, askKeeper)
	defer cancel()
	k, err := p.client().Status(short)
	switch {
	case err == nil:
		ps.hear(p, k) // what is listed is what names lead to
		st = localapi.FromKeeper(k, st.Socket, st.LogDir)
	case ctx.Err() == nil && st.Unresponsive == "":
		st.Unresponsive, st.UnresponsiveHint = unresponsive(p, err)
	}
	return st
}

// clear removes what a keeper that has ended left: processes, if it was
// killed, its cgroup, its files.
func (ps *Projects) clear(ctx context.Context, rec keeperapi.Record) error {
	c := rec.Config
	var errs []error
	if c.Engine == loopback.EBPF {
		// What is in its cgroup goes with that, and what left it has the mark.
		errs = append(errs, ps.options.Engines.RemoveHome(ctx, c), strays.Kill(ctx, c.Home.Mark, ""))
	} else {
		errs = append(errs, strays.Kill(ctx, c.Home.Mark, c.Home.ID))
	}
	return errors.Join(append(errs, removeFiles(c))...)
}

// removeFiles removes what a keeper that has ended left on disk.
func removeFiles(c keeperapi.Config) error {
	var errs []error
	for _, f := range []string{c.Socket, c.Record, c.SpareRecord, keeperapi.HostsPath(c.Record), keeperapi.KeyLogPath(c.Record)} {
		if f == "" {
			continue
		}
		if err := os.Remove(f); err != nil && !unixsock.NoPath(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
