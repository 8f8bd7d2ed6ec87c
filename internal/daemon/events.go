package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/event"
	"lodge/internal/eventlog"
	"lodge/internal/keeperapi"
	"lodge/internal/names"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
)

// maxEvents is how many of the newest events are kept for readers.
const maxEvents = 16384

// events is the daemon's stream: what keepers tell, and what the daemon sees
// itself, with numbers that go on when another daemon takes this one's place.
//
// Whatever else publishes, such as the follower of the machine's sockets, is a
// [Source].
type events struct {
	bus *event.Bus
	// label returns what the project in a directory is called in host names, and
	// follows reports whether a project is followed.
	label   func(dir, name string) string
	follows func(id string) bool

	mu  sync.Mutex // guards log; taken after the bus's own lock for publishing
	log *eventlog.Log

	// adopted: all keepers that outlived the daemon before are followed.
	adopted atomic.Bool

	// readers is how many read; read tells a source that their number has changed.
	readers atomic.Int64
	read    chan struct{}

	// ending ends the readers, when the daemon's socket is closed.
	ending context.Context
	end    context.CancelFunc
}

// openEvents continues the stream of the daemon before, or begins one, and says so
// in it.
func openEvents(cfg Config, label func(dir, name string) string, follows func(id string) bool) *events {
	fresh := rand.Text()[:12]
	log, past, err := eventlog.Open(filepath.Join(cfg.Dirs.Runtime, "events.jsonl"), procfs.BootID(), fresh)
	ev := &events{bus: event.NewBus(past.Stream, maxEvents), log: log, label: label, follows: follows, read: make(chan struct{}, 1)}
	ev.ending, ev.end = context.WithCancel(context.Background())
	ev.bus.Resume(past.Events, past.Last)
	ev.bus.Keep(ev.record)
	if err != nil {
		if !errors.Is(err, eventlog.ErrNone) {
			cfg.Log.Warn("continue the stream of events", "err", err)
		}
		ev.bus.Publish(event.Event{Kind: event.KindStream, Source: event.Source{Name: event.SourceDaemon}, Begun: &event.Begun{Reason: err.Error()}})
	}
	return ev
}

// record writes events to the log before any reader has them.
func (ev *events) record(list []event.Event) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	ev.log.Append(list)
}

// state calls f with what is known from all events up to now.
func (ev *events) state(f func(*eventlog.State)) {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	f(ev.log.State())
}

// intact reports whether the log is where the next daemon looks for it.
func (ev *events) intact() bool {
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return ev.log.Intact()
}

// restore writes the log anew. Only the daemon that holds the claim may call it.
func (ev *events) restore() error {
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

// shut ends the readers; each still gets what was published before.
func (ev *events) shut() {
	ev.bus.Close()
	ev.end()
}

func (ev *events) close() error {
	ev.shut()
	ev.mu.Lock()
	defer ev.mu.Unlock()
	return ev.log.Close()
}

// cursor returns the place in the stream of a project's keeper up to which its
// events were passed on.
func (ev *events) cursor(id string) (at event.Position) {
	ev.state(func(s *eventlog.State) { at = s.Sources[id] })
	return at
}

// subject returns a project, or a service of it, as people call it.
func (ev *events) subject(c keeperapi.Config, service string) event.Subject {
	return event.Subject{ProjectID: c.ID, Project: ev.label(c.Dir, c.Name), Service: service}
}

// projectUp publishes that a keeper is followed now, unless the stream knows it
// from a daemon before this one. A keeper that the stream knows and that is another
// one has ended unseen.
func (ev *events) projectUp(rec keeperapi.Record) {
	id := rec.Config.ID
	ev.bus.PublishFunc(func() []event.Event {
		var out []event.Event
		known := 0
		ev.state(func(s *eventlog.State) {
			if up, ok := s.Up[id]; ok {
				known = up.Project.KeeperPID
				out = endedUnseen(up, s.Sources[id])
			}
		})
		if known == rec.PID {
			return nil
		}
		return append(out, ev.projectEvent(event.ProjectUp, rec))
	})
}

// endedUnseen are the events for a keeper that has ended while no daemon followed
// it.
func endedUnseen(up eventlog.Fact, at event.Position) []event.Event {
	p := *up.Project
	p.Change, p.Reason = event.ProjectDown, "it ended while no daemon ran"
	return []event.Event{
		{
			Kind: event.KindLost, Subject: up.Subject, Lost: &event.Lost{Reason: event.LostKeeperEnded, From: at.Number + 1},
			Source: event.Source{Name: event.SourceDaemon, ProjectID: up.Subject.ProjectID},
		},
		{Kind: event.KindProject, Source: event.Source{Name: event.SourceDaemon}, Subject: up.Subject, Project: &p},
	}
}

// projectDown publishes that a keeper has ended, after all that it told.
func (ev *events) projectDown(rec keeperapi.Record) {
	ev.bus.Publish(ev.projectEvent(event.ProjectDown, rec))
}

// projectEvent is the event of a project whose keeper is followed now, or has ended.
func (ev *events) projectEvent(change string, rec keeperapi.Record) event.Event {
	c := rec.Config
	return event.Event{
		Kind: event.KindProject, Source: event.Source{Name: event.SourceDaemon}, Subject: ev.subject(c, ""),
		Project: &event.Project{Change: change, Path: c.Dir, Home: c.Home.IP4.String(), Engine: string(c.Engine), KeeperPID: rec.PID},
	}
}

// forgetEnded publishes that projects are down which the stream has as up and whose
// keepers do not run. It is called once, when all that run are followed.
func (ev *events) forgetEnded() {
	ev.bus.PublishFunc(func() []event.Event {
		var out []event.Event
		ev.state(func(s *eventlog.State) {
			for id, up := range s.Up {
				if !ev.follows(id) {
					out = append(out, endedUnseen(up, s.Sources[id])...)
				}
			}
		})
		return out
	})
}

// follow passes on what a keeper tells, until it has ended or ctx ends.
func (ev *events) follow(ctx context.Context, p *project) {
	at := ev.cursor(p.rec.Config.ID)
	for {
		c := p.client()
		c.Waits = true // a keeper that is stopped may go on
		err := c.Events(ctx, at, func(list []event.Event) error {
			at = ev.pass(p, at, list)
			return nil
		})
		if errors.Is(err, keeperapi.ErrNoEvents) {
			p.derives.Store(true)
			return
		}
		for over := time.Now().Add(watchRetry); time.Now().Before(over); {
			if ctx.Err() != nil || pidfd.AwaitEnd(p.rec.PID, p.rec.StartTime, 100*time.Millisecond) {
				return
			}
		}
		if !procfs.Alive(p.rec.PID, p.rec.StartTime) {
			return
		}
	}
}

// pass publishes events of a keeper from a place on, and returns the place after
// them. What the keeper dropped before it was read is counted.
func (ev *events) pass(p *project, at event.Position, list []event.Event) event.Position {
	c := p.rec.Config
	var out []event.Event
	for _, e := range list {
		if e.Kind == event.KindLost {
			continue // the numbers tell what is missing
		}
		if e.Stream != at.Stream {
			at = event.Position{Stream: e.Stream} // another keeper than the one that is known
		}
		if e.Number <= at.Number {
			continue
		}
		source := event.Source{Name: event.SourceKeeper, ProjectID: c.ID, Stream: e.Stream}
		if e.Number > at.Number+1 {
			gap := event.Event{Kind: event.KindLost, Source: source, Subject: ev.subject(c, ""), Lost: &event.Lost{
				Reason: event.LostKeeperOverrun, Count: e.Number - at.Number - 1, From: at.Number + 1, To: e.Number - 1,
			}}
			gap.Source.Number = e.Number - 1
			out = append(out, gap)
		}
		at.Number = e.Number
		source.Number = e.Number
		e.Source, e.Subject = source, ev.subject(c, e.Subject.Service)
		out = append(out, e)
	}
	ev.bus.Publish(out...)
	return at
}

// derive publishes how two states of a keeper differ that tells no events, as the
// keepers of an older lodge. Of the first state there is nothing to compare with.
func (ev *events) derive(p *project, old, now keeperapi.Project) {
	if !p.derives.Load() || old.ID == "" {
		return
	}
	list := differences(old.Services, now.Services)
	for i := range list {
		list[i].Source = event.Source{Name: event.SourceKeeper, ProjectID: p.rec.Config.ID, Derived: true}
		list[i].Subject = ev.subject(p.rec.Config, list[i].Subject.Service)
	}
	ev.bus.Publish(list...)
}

// tellNames publishes how a table of names differs from what the stream has. table
// is called when no other event is published, so that an older table is never told
// after a newer one.
func (ev *events) tellNames(table func() *names.Table) {
	ev.bus.PublishFunc(func() (out []event.Event) {
		t := table()
		ev.state(func(s *eventlog.State) { out = nameChanges(t, s.Names, ev.stays(t)) })
		return out
	})
}

// stays returns a function that reports whether a project's names stay although the
// table has none of them: it is followed, or may be, and has not told its state yet.
func (ev *events) stays(t *names.Table) func(id string) bool {
	heard := make(map[string]bool)
	for _, p := range t.Projects() {
		heard[p.ID] = true
	}
	return func(id string) bool { return !ev.adopted.Load() || ev.follows(id) && !heard[id] }
}
