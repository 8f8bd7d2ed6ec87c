package events

import (
	"context"
	"errors"

	"lodge/internal/event"
	"lodge/internal/eventlog"
	"lodge/internal/keeperapi"
)

// Up publishes that a keeper is followed now, unless the stream knows it
// from a daemon before this one. A keeper that the stream knows and that is another
// one has ended unseen.
func (ev *Stream) Up(rec keeperapi.Record) {
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

// Down publishes that a keeper has ended, after all that it told.
func (ev *Stream) Down(rec keeperapi.Record) {
	ev.silent.Delete(rec.Config.ID)
	ev.bus.Publish(ev.projectEvent(event.ProjectDown, rec))
}

// projectEvent is the event of a project whose keeper is followed now, or has ended.
func (ev *Stream) projectEvent(change string, rec keeperapi.Record) event.Event {
	c := rec.Config
	return event.Event{
		Kind: event.KindProject, Source: event.Source{Name: event.SourceDaemon}, Subject: ev.subject(c, ""),
		Project: &event.Project{Change: change, Path: c.Dir, Home: c.Home.IP4.String(), Engine: string(c.Engine), KeeperPID: rec.PID},
	}
}

// Adopted is called once, when all keepers that run are followed. It publishes that
// projects are down which the stream has as up and whose keepers do not run.
func (ev *Stream) Adopted() {
	ev.adopted.Store(true)
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

// Follow passes on what a keeper tells, until it has ended or ctx ends.
func (ev *Stream) Follow(ctx context.Context, rec keeperapi.Record) {
	at := ev.cursor(rec.Config.ID)
	for {
		c := rec.Client()
		c.Waits = true // a keeper that is stopped may go on
		err := c.Events(ctx, at, func(list []event.Event) error {
			at = ev.pass(rec.Config, at, list)
			return nil
		})
		if errors.Is(err, keeperapi.ErrNoEvents) {
			ev.silent.Store(rec.Config.ID, true)
			return
		}
		if rec.AwaitRetry(ctx) {
			return
		}
	}
}

// pass publishes events of a keeper from a place on, and returns the place after
// them. What the keeper dropped before it was read is counted.
func (ev *Stream) pass(c keeperapi.Config, at event.Position, list []event.Event) event.Position {
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

// Heard publishes how two states of a keeper differ that tells no events, as the
// keepers of an older lodge. Of the first state there is nothing to compare with.
func (ev *Stream) Heard(rec keeperapi.Record, old, now keeperapi.Project) {
	if _, silent := ev.silent.Load(rec.Config.ID); !silent || old.ID == "" {
		return
	}
	list := differences(old.Services, now.Services)
	for i := range list {
		list[i].Source = event.Source{Name: event.SourceKeeper, ProjectID: rec.Config.ID, Derived: true}
		list[i].Subject = ev.subject(rec.Config, list[i].Subject.Service)
	}
	ev.bus.Publish(list...)
}
