package daemon

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/daemon/events"
	"lodge/internal/event"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
)

// kept returns the events that the daemon keeps after a place, whose numbers must
// have no gap.
func (r *rig) kept(after event.Position) []event.Event {
	r.t.Helper()
	var all []event.Event
	err := r.api.Events(r.ctx, localapi.EventsQuery{After: &after, Once: true}, nil, func(_ []byte, e event.Event) error {
		if n := len(all); n > 0 && (e.Number != all[n-1].Number+1 || e.Stream != all[n-1].Stream) {
			r.t.Errorf("event %d of %s follows %d of %s", e.Number, e.Stream, all[n-1].Number, all[n-1].Stream)
		}
		all = append(all, e)
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return all
}

// await returns the kept events once one of them is as wanted.
func (r *rig) await(what string, ok func(event.Event) bool) []event.Event {
	r.t.Helper()
	var all []event.Event
	if !within(func() bool { all = r.kept(event.Position{}); return slices.ContainsFunc(all, ok) }) {
		r.t.Fatalf("no event that %s: %+v", what, all)
	}
	return all
}

func becomes(service, state string) func(event.Event) bool {
	return func(e event.Event) bool {
		return e.Service != nil && e.Subject.Service == service && e.Service.To == state
	}
}

func changes(kind event.Kind, change string) func(event.Event) bool {
	return func(e event.Event) bool {
		return e.Kind == kind && (e.Project != nil && e.Project.Change == change || e.Name != nil && e.Name.Change == change)
	}
}

func TestEventsOfAProject(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	r.serve(p)
	r.await("says that web is ready", becomes("web", "ready"))
	r.await("adds a name", func(e event.Event) bool { return e.Name != nil && e.Name.Host == "web.shop.test" })
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	all := r.kept(event.Position{})
	if all[0].Number != 1 || all[0].Begun == nil {
		t.Errorf("the first one: %+v", all[0])
	}
	var steps []string
	names := make(map[string]bool)
	for _, e := range all {
		switch {
		case e.Kind == event.KindProject:
			steps = append(steps, e.Project.Change)
		case e.Kind == event.KindName && e.Name.Change == event.Removed:
			delete(names, e.Name.Host)
		case e.Kind == event.KindName:
			names[e.Name.Host] = true
		case e.Service != nil && e.Service.From != e.Service.To:
			steps = append(steps, e.Service.To)
			if e.Subject != (event.Subject{ProjectID: p.ID, Project: "shop", Service: "web"}) || e.Source.Name != event.SourceKeeper || e.Source.Number == 0 {
				t.Errorf("got %+v", e)
			}
		}
	}
	if got := strings.Join(steps, " "); got != "up stopped waiting starting ready stopping stopped down" {
		t.Errorf("got %s", got)
	}
	if len(names) > 0 {
		t.Errorf("names are left: %v", names)
	}
}

// A daemon takes the place of another one: what happened meanwhile is told, with the
// numbers that follow.
func TestTheStreamGoesOnWithTheNextDaemon(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	first := r.serve(p)
	before := r.await("says that web is ready", becomes("web", "ready"))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.api.Close()
	s := localapi.NewSession(p)
	for range 5 {
		if err := s.Restart(r.ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	st, err := s.Status(r.ctx)
	if err != nil || st.Services[0].PID == first {
		t.Fatalf("%+v, %v", st, err)
	}
	r.start()
	all := r.await("is of the last process", func(e event.Event) bool {
		return e.Service != nil && e.Service.PID == st.Services[0].PID && e.Service.To == "ready"
	})
	if all[0].Number != 1 || all[0].Stream != before[0].Stream {
		t.Errorf("the first one: %+v", all[0])
	}
	pids, ups, source := make(map[int]bool), 0, uint64(0)
	for _, e := range all {
		switch {
		case e.Kind == event.KindLost:
			t.Errorf("lost: %+v", e.Lost)
		case e.Kind == event.KindProject:
			ups++
		case e.Service != nil:
			if e.Source.Number != source+1 {
				t.Errorf("the keeper's event %d follows %d", e.Source.Number, source)
			}
			source = e.Source.Number
			if e.Service.To == "ready" {
				pids[e.Service.PID] = true
			}
		}
	}
	if len(pids) != 6 || ups != 1 {
		t.Errorf("%d processes, and %d times up", len(pids), ups)
	}
}

// The record of events may be removed, or a keeper may end, while no daemon runs: the
// stream says so.
func TestWhatIsNotKnownIsTold(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	r.serve(p)
	before := r.await("says that web is ready", becomes("web", "ready"))
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.api.Close()
	if err := localapi.NewSession(p).Down(r.ctx, false); err != nil || !gone(p.KeeperPID) {
		t.Fatalf("the keeper does not end: %v", err)
	}
	r.start()
	all := r.kept(event.Position{})
	lost := slices.IndexFunc(all, func(e event.Event) bool { return e.Lost != nil && e.Lost.Reason == event.LostKeeperEnded })
	down := slices.IndexFunc(all, changes(event.KindProject, event.ProjectDown))
	if all[0].Stream != before[0].Stream || lost < 0 || down != lost+1 {
		t.Fatalf("got %+v", all)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.api.Close()
	if err := os.Remove(filepath.Join(r.cfg.Dirs.Runtime, "events.jsonl")); err != nil {
		t.Fatal(err)
	}
	r.start()
	all = r.kept(event.Position{Stream: before[0].Stream, Number: 3})
	if len(all) == 0 || all[0].Lost == nil || all[0].Lost.Reason != event.LostStreamChanged || all[0].Stream == before[0].Stream {
		t.Errorf("after the record was removed: %+v", all)
	}
	if all = r.kept(event.Position{}); all[0].Number != 1 || all[0].Begun == nil {
		t.Errorf("after the record was removed: %+v", all[0])
	}
}

// The daemon makes the record again, and what was in it, when it is removed.
func TestTheRecordOfEventsIsMadeAgain(t *testing.T) {
	r := newRig(t)
	d := r.start()
	p := r.project("shop", loopback.None)
	r.serve(p)
	before := r.await("says that web is ready", becomes("web", "ready"))
	if err := os.Remove(filepath.Join(r.cfg.Dirs.Runtime, "events.jsonl")); err != nil {
		t.Fatal(err)
	}
	if !within(d.events.Intact) {
		t.Fatal("it is not made again")
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	r.api.Close()
	r.start()
	if all := r.kept(event.Position{}); all[0].Number != 1 || all[0].Stream != before[0].Stream || len(all) < len(before) {
		t.Errorf("got %d events, the first %+v", len(all), all[0])
	}
}

func TestAReaderOfEvents(t *testing.T) {
	r := newRig(t)
	r.start()
	begun, over := make(chan event.Position, 1), make(chan error, 1)
	got := make(chan event.Event, 1000)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	read := func(ctx context.Context, q localapi.EventsQuery) {
		over <- r.api.Events(ctx, q, func(at event.Position) { begun <- at }, func(_ []byte, e event.Event) error { got <- e; return nil })
	}
	go read(ctx, localapi.EventsQuery{Filter: []string{"web", "state=ready"}})
	at := <-begun
	if at.Stream == "" || at.Number == 0 {
		t.Errorf("it begins at %+v", at)
	}
	p := r.project("shop", loopback.None)
	r.serve(p)
	if e := <-got; e.Service == nil || e.Service.To != "ready" || e.Number <= at.Number {
		t.Errorf("got %+v", e)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	// The daemon ends although one reads, and says so.
	go read(r.ctx, localapi.EventsQuery{})
	<-begun
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := <-over; !errors.Is(err, localapi.ErrStreamEnded) {
		t.Errorf("it ended with %v", err)
	}
	r.api.Close()
	r.start()
	for _, q := range []localapi.EventsQuery{{Filter: []string{"colour=red"}}} {
		var e *localapi.Error
		if err := r.api.Events(r.ctx, q, nil, nil); !errors.As(err, &e) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// ticker is a source that publishes one event each time that it is run.
type ticker struct{ runs, ends chan struct{} }

func (s *ticker) Run(ctx context.Context, publish func(...event.Event)) {
	publish(event.Event{Kind: event.KindSocket, Source: event.Source{Name: event.SourceDaemon}, Socket: &event.Socket{Change: event.SocketOpen}})
	s.runs <- struct{}{}
	<-ctx.Done()
	s.ends <- struct{}{}
}

func TestASourceRunsWhileEventsAreRead(t *testing.T) {
	r := newRig(t)
	src := &ticker{runs: make(chan struct{}, 1), ends: make(chan struct{}, 1)}
	r.cfg.Sources = []events.Source{src}
	r.start()
	for range 2 {
		ctx, cancel := context.WithCancel(r.ctx)
		got, over := make(chan []byte, 100), make(chan error, 1)
		go func() {
			over <- r.api.Events(ctx, localapi.EventsQuery{Filter: []string{"socket"}}, nil, func(line []byte, _ event.Event) error { got <- line; return nil })
		}()
		<-src.runs
		if line := string(<-got); !strings.Contains(line, `"socket":{"change":"open"}`) {
			t.Errorf("got %s", line)
		}
		cancel()
		<-over
		<-src.ends
	}
}
