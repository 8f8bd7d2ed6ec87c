package daemon

import (
	"context"
	"sync"

	"lodge/internal/event"
)

// Source publishes events of its own on the daemon's stream, such as those of the
// machine's sockets. It runs while there is a reader of events, so that it costs nothing
// else: ctx ends when the last reader has gone, and Run returns then. What happens
// meanwhile is not told, so that a source whose events must have no gap begins with
// one that says where it begins.
//
// An event needs its kind, its payload, and [event.SourceDaemon] as the name of its
// source; it is given its number, and its time where it has none.
type Source interface {
	Run(ctx context.Context, publish func(...event.Event))
}

// reading notes a reader until done is called.
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
