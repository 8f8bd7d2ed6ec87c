package daemon

import (
	"context"
	"sync"

	"lodge/internal/event"
	"lodge/internal/localapi"
	"lodge/internal/socketevents"
	"lodge/internal/sockets/holders"
)

// Source publishes events of its own on the daemon's stream, such as those of the
// machine's sockets. It runs while a reader wants events of sockets, so that it costs
// nothing else: ctx ends when the last such reader has gone, and Run returns then. What
// happens meanwhile is not told, so that a source whose events must have no gap begins
// with one that says where it begins.
//
// An event needs its kind, its payload, and [event.SourceDaemon] as the name of its
// source; it is given its number, and its time where it has none.
type Source interface {
	Run(ctx context.Context, publish func(...event.Event))
}

// sources returns what publishes beside the keepers and the daemon itself.
func (d *Daemon) sources() []Source {
	all := d.cfg.Sources
	if d.cfg.SocketInterval > 0 {
		all = append(all[:len(all):len(all)], socketevents.New(socketevents.Options{
			Interval: d.cfg.SocketInterval, Homes: d.homes,
			Live: localapi.New(d.cfg.Dirs.Socket()), // as for any other reader of the table
		}))
	}
	return all
}

// homes returns the homes of the projects that are up, as their keepers told them last.
func (d *Daemon) homes() []holders.Home {
	var ps []localapi.Project
	for _, p := range d.all() {
		st := p.state()
		d.address(&st)
		ps = append(ps, st)
	}
	return localapi.Homes(ps)
}

// reading notes a reader that wants events of sockets until done is called.
func (ev *events) reading() (done func()) {
	note := func(n int64) {
		ev.readers.Add(n)
		select {
		case ev.read <- struct{}{}:
		default:
		}
	}
	note(1)
	return func() { note(-1) }
}

// runSources runs sources while there are readers, until ctx ends.
func (ev *events) runSources(ctx context.Context, sources []Source) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-ev.read:
			ev.runWhileRead(ctx, sources)
		}
	}
}

// runWhileRead runs sources until there is no reader or ctx ends.
func (ev *events) runWhileRead(ctx context.Context, sources []Source) {
	if ev.readers.Load() == 0 {
		return
	}
	own, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, s := range sources {
		running.Go(func() { s.Run(own, func(list ...event.Event) { ev.bus.Publish(list...) }) })
	}
	for ev.readers.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-ev.read:
		}
	}
}
