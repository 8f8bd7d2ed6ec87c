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

	mu  sync.Mutex // guards log; taken after the bus's own lock for publishing
	log *eventlog.Log

	// adopted: all keepers that outlived the daemon before are followed.
	adopted atomic.Bool

	// ending ends the readers, when the daemon's socket is closed.
	ending context.Context
	end    context.CancelFunc
}

// Source publishes events of its own on the daemon's stream until ctx ends. Its
// events need no number, and no time where that is now; Source.Name is
// [event.SourceDaemon]. Sources are started by [Daemon.Run], which waits for them.
type Source interface {
	Run(ctx context.Context, publish func(...event.Event))
}

// openEvents continues the stream of the daemon before, or begins one, and says so
// in it.
func openEvents(cfg Config) *events {
	fresh := rand.Text()[:12]
	log, past, err := eventlog.Open(filepath.Join(cfg.Dirs.Runtime, "events.jsonl"), procfs.BootID(), fresh)
	ev := &events{bus: event.NewBus(past.Stream, maxEvents), log: log}
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

// chronicle publishes what happens to projects.
type chronicle struct{ core }

// label returns what the project in a directory is called in host names.
func (d *chronicle) label(dir, name string) string {
	if l := d.store.labelOf(dir); l != "" {
		return l
	}
	return names.Clean(name)
}

// subject returns a project, or a service of it, as people call it.
func (d *chronicle) subject(c keeperapi.Config, service string) event.Subject {
	return event.Subject{ProjectID: c.ID, Project: d.label(c.Dir, c.Name), Service: service}
}

// projectUp publishes that a keeper is followed now, unless the stream knows it
// from a daemon before this one. A keeper that the stream knows and that is another
// one has ended unseen.
func (d *chronicle) projectUp(rec keeperapi.Record) {
	c := rec.Config
	d.events.bus.PublishFunc(func() []event.Event {
		var out []event.Event
		known := 0
		d.events.state(func(s *eventlog.State) {
			if up, ok := s.Up[c.ID]; ok {
				known = up.Project.KeeperPID
				out = endedUnseen(up, s.Sources[c.ID])
			}
		})
		if known == rec.PID {
			return nil
		}
		return append(out, event.Event{
			Kind: event.KindProject, Source: event.Source{Name: event.SourceDaemon}, Subject: d.subject(c, ""),
			Project: &event.Project{Change: event.ProjectUp, Path: c.Dir, Home: c.Home.IP4.String(), Engine: string(c.Engine), KeeperPID: rec.PID},
		})
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
func (d *chronicle) projectDown(rec keeperapi.Record, reason string) {
	c := rec.Config
	d.events.bus.Publish(event.Event{
		Kind: event.KindProject, Source: event.Source{Name: event.SourceDaemon}, Subject: d.subject(c, ""),
		Project: &event.Project{Change: event.ProjectDown, Path: c.Dir, Home: c.Home.IP4.String(), Engine: string(c.Engine), KeeperPID: rec.PID, Reason: reason},
	})
}

// forgetEnded publishes that projects are down which the stream has as up and whose
// keepers do not run. It is called once, when all that run are followed.
func (d *chronicle) forgetEnded() {
	d.events.bus.PublishFunc(func() []event.Event {
		var out []event.Event
		d.events.state(func(s *eventlog.State) {
			for id, up := range s.Up {
				if _, runs := d.get(id); !runs {
					out = append(out, endedUnseen(up, s.Sources[id])...)
				}
			}
		})
		return out
	})
}

// followEvents passes on what a keeper tells, until it has ended or the daemon ends.
func (d *chronicle) followEvents(p *project) {
	at := d.events.cursor(p.rec.Config.ID)
	for {
		c := p.client()
		c.Waits = true // a keeper that is stopped may go on
		err := c.Events(d.ctx, at, func(list []event.Event) error {
			at = d.pass(p, at, list)
			return nil
		})
		if errors.Is(err, keeperapi.ErrNoEvents) {
			p.derives.Store(true)
			return
		}
		for over := time.Now().Add(watchRetry); time.Now().Before(over); {
			if d.ctx.Err() != nil || pidfd.AwaitEnd(p.rec.PID, p.rec.StartTime, 100*time.Millisecond) {
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
func (d *chronicle) pass(p *project, at event.Position, list []event.Event) event.Position {
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
			gap := event.Event{Kind: event.KindLost, Source: source, Subject: d.subject(c, ""), Lost: &event.Lost{
				Reason: event.LostKeeperOverrun, Count: e.Number - at.Number - 1, From: at.Number + 1, To: e.Number - 1,
			}}
			gap.Source.Number = e.Number - 1
			out = append(out, gap)
		}
		at.Number = e.Number
		source.Number = e.Number
		e.Source, e.Subject = source, d.subject(c, e.Subject.Service)
		out = append(out, e)
	}
	d.events.bus.Publish(out...)
	return at
}
