package events

import (
	"context"
	"sync"
	"sync/atomic"

	"lodge/internal/event"
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

// demand counts the readers that want events of sockets.
type demand struct {
	readers atomic.Int64
	changed chan struct{} // has a token when their number has changed
}

func newDemand() demand { return demand{changed: make(chan struct{}, 1)} }

// reading notes a reader that wants events of sockets until done is called.
func (d *demand) reading() (done func()) {
	note := func(n int64) {
		d.readers.Add(n)
		select {
		case d.changed <- struct{}{}:
		default:
		}
	}
	note(1)
	return func() { note(-1) }
}

// run runs sources while there are readers, until ctx ends.
func (d *demand) run(ctx context.Context, sources []Source, publish func(...event.Event)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
			d.runWhileRead(ctx, sources, publish)
		}
	}
}

// runWhileRead runs sources until there is no reader or ctx ends.
func (d *demand) runWhileRead(ctx context.Context, sources []Source, publish func(...event.Event)) {
	if d.readers.Load() == 0 {
		return
	}
	own, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for _, s := range sources {
		running.Go(func() { s.Run(own, publish) })
	}
	for d.readers.Load() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-d.changed:
		}
	}
}
