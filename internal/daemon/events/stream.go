// Package events has the daemon's stream of events: what the keepers tell, and what the
// daemon sees itself, with numbers that go on when another daemon takes this one's place.
// It keeps the newest for readers, records all in a file, and serves them.
package events

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"lodge/internal/event"
	"lodge/internal/eventlog"
	"lodge/internal/keeperapi"
	"lodge/internal/names"
	"lodge/internal/procfs"
)

// maxEvents is how many of the newest events are kept for readers.
const maxEvents = 16384

// Options is what a stream needs of the daemon.
type Options struct {
	// File is the record of the stream, from which the next daemon continues it.
	File string
	// Label returns what the project in a directory is called in host names.
	Label func(dir, name string) string
	// Follows reports whether the keeper of a project is followed.
	Follows func(id string) bool
	Log     *slog.Logger
}

// Stream is the daemon's stream of events. Whatever publishes beside keepers and the
// daemon itself, such as the follower of the machine's sockets, is a [Source].
type Stream struct {
	bus     *event.Bus
	label   func(dir, name string) string
	follows func(id string) bool

	// silent are the projects, by id, whose keepers tell no events, so that they are
	// derived from their states.
	silent sync.Map

	mu  sync.Mutex // guards log; taken after the bus's own lock for publishing
	log *eventlog.Log

	// adopted: all keepers that outlived the daemon before are followed.
	adopted atomic.Bool

	sources demand

	// ending ends the readers, when the daemon's socket is closed.
	ending context.Context
	end    context.CancelFunc
}

// Open continues the stream of the daemon before, or begins one, and says so in it.
func Open(o Options) *Stream {
	fresh := rand.Text()[:12]
	log, past, err := eventlog.Open(o.File, procfs.BootID(), fresh)
	ev := &Stream{bus: event.NewBus(past.Stream, maxEvents), log: log, label: o.Label, follows: o.Follows, sources: newDemand()}
	ev.ending, ev.end = context.WithCancel(context.Background())
	ev.bus.Resume(past.Events, past.Last)
	ev.bus.Keep(ev.record)
	if err != nil {
		if !errors.Is(err, eventlog.ErrNone) {
			o.Log.Warn("continue the stream of events", "err", err)
		}
		ev.bus.Publish(event.Event{Kind: event.KindStream, Source: event.Source{Name: event.SourceDaemon}, Begun: &event.Begun{Reason: err.Error()}})
	}
	return ev
}

// record writes events to the log before any reader has them.
func (ev *Stream) record(list []event.Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.log.Append(list)
}

// state calls f with what is known from all events up to now.
func (ev *Stream) state(f func(*eventlog.State)) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	f(ev.log.State())
}

// Intact reports whether the log is where the next daemon looks for it.
func (ev *Stream) Intact() bool {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return ev.log.Intact()
}

// Restore writes the log anew. Only the daemon that holds the claim may call it.
func (ev *Stream) Restore() error {
	var err error
	// No event may come between the ring and the log.
	ev.bus.PublishFunc(func() []event.Event {
		ev.mu.Lock()
		defer ev.mu.Unlock()
		err = ev.log.Restore(ev.bus.Kept())
		return nil
	})
	return err
}

// Shut ends the readers; each still gets what was published before.
func (ev *Stream) Shut() {
	ev.bus.Close()
	ev.end()
}

// Close ends the readers and the record.
func (ev *Stream) Close() error {
	ev.Shut()
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return ev.log.Close()
}

// cursor returns the place in the stream of a project's keeper up to which its
// events were passed on.
func (ev *Stream) cursor(id string) (at event.Position) {
	ev.state(func(s *eventlog.State) { at = s.Sources[id] })
	return at
}

// subject returns a project, or a service of it, as people call it.
func (ev *Stream) subject(c keeperapi.Config, service string) event.Subject {
	return event.Subject{ProjectID: c.ID, Project: ev.label(c.Dir, c.Name), Service: service}
}

// Run runs sources while events of sockets are read, until ctx ends.
func (ev *Stream) Run(ctx context.Context, sources []Source) {
	ev.sources.run(ctx, sources, func(list ...event.Event) { ev.bus.Publish(list...) })
}

// TellNames publishes how a table of names differs from what the stream has. table
// is called when no other event is published, so that an older table is never told
// after a newer one.
func (ev *Stream) TellNames(table func() *names.Table) {
	ev.bus.PublishFunc(func() (out []event.Event) {
		t := table()
		ev.state(func(s *eventlog.State) { out = nameChanges(t, s.Names, ev.stays(t)) })
		return out
	})
}

// stays returns a function that reports whether a project's names stay although the
// table has none of them: it is followed, or may be, and has not told its state yet.
func (ev *Stream) stays(t *names.Table) func(id string) bool {
	heard := make(map[string]bool)
	for _, p := range t.Projects() {
		heard[p.ID] = true
	}
	return func(id string) bool { return !ev.adopted.Load() || ev.follows(id) && !heard[id] }
}
