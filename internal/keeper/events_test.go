package keeper

import (
	"context"
	"errors"
	"testing"

	"lodge/internal/event"
	"lodge/internal/keeperapi"
	"lodge/internal/service"
)

// follow reads the keeper's events after a place until stop says so, or the keeper
// ends.
func (r *rig) follow(after event.Position, stop func(event.Event) bool) ([]event.Event, error) {
	var all []event.Event
	enough := errors.New("enough")
	err := r.Events(r.ctx, after, func(list []event.Event) error {
		for _, e := range list {
			all = append(all, e)
			if stop(e) {
				return enough
			}
		}
		return nil
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return all, err
}

func isReady(e event.Event) bool { return e.Service != nil && e.Service.To == string(service.Up) }

func TestEventsAreResumed(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	first, err := r.follow(event.Position{}, isReady)
	if err != nil || len(first) == 0 || first[0].Number != 1 || first[0].Stream == "" || first[0].Source.ProjectID != r.k.cfg.Home.ID {
		t.Fatalf("got %+v, %v", first, err)
	}
	last := first[len(first)-1]
	if err := r.Restart(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	second, err := r.follow(event.Position{Stream: last.Stream, Number: last.Number}, isReady)
	if err != nil || len(second) < 3 {
		t.Fatalf("got %+v, %v", second, err)
	}
	for i, e := range second {
		if e.Number != last.Number+uint64(i)+1 || e.Stream != last.Stream {
			t.Errorf("event %d: %+v", i, e)
		}
	}
}

// What happens when the keeper ends is told before the end.
func TestTheLastEventsAreTold(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		all []event.Event
		err error
	}
	begun, over := make(chan struct{}), make(chan outcome, 1)
	go func() {
		all, err := r.follow(event.Position{}, func(e event.Event) bool {
			if isReady(e) {
				close(begun)
			}
			return false
		})
		over <- outcome{all, err}
	}()
	<-begun
	if err := r.Down(r.ctx, false); err != nil {
		t.Fatal(err)
	}
	got := <-over
	if !errors.Is(got.err, keeperapi.ErrGone) {
		t.Errorf("it ended with %v", got.err)
	}
	last := got.all[len(got.all)-1]
	if last.Service.To != string(service.Stopped) || last.Number != r.k.sup.Events().Position().Number {
		t.Errorf("the last one is %+v of %d", last, r.k.sup.Events().Position().Number)
	}
}

// A client that does not read, such as a stopped daemon, does not keep the keeper
// from its end.
func TestAClientThatDoesNotReadEvents(t *testing.T) {
	r := newRig(t)
	w := r.raw()
	if err := w.Write(keeperapi.Request{Op: keeperapi.OpEvents}); err != nil {
		t.Fatal(err)
	}
	long := event.Event{Kind: event.KindService, Service: &event.Service{Reason: string(make([]byte, 64<<10))}}
	for range 64 { // more than the socket takes
		r.k.sup.Events().Publish(long)
	}
	r.k.life.stop()
	if err := <-r.over; err != nil {
		t.Error(err)
	}
}

func TestAnOlderKeeperTellsNoEvents(t *testing.T) {
	r := newRig(t)
	err := r.Call(r.ctx, keeperapi.Request{Op: "what"}, nil)
	wantError(t, err, `it does not know "what"`)
	// As that keeper answers, the client knows it.
	old := olderKeeper(t, r)
	if err := old.Events(context.Background(), event.Position{}, nil); !errors.Is(err, keeperapi.ErrNoEvents) {
		t.Errorf("got %v", err)
	}
}

// olderKeeper is a keeper that answers as those before the operation events do.
func olderKeeper(t *testing.T, r *rig) keeperapi.Client {
	t.Helper()
	ln, err := listenAt(r.dir + "/old.sock")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := ln.AcceptUnix()
		if err != nil {
			return
		}
		w := &keeperapi.Wire{Conn: c}
		defer w.Close()
		var req keeperapi.Request
		if files, err := w.Read(&req); err == nil {
			keeperapi.CloseAll(files)
			_ = w.Write(keeperapi.Reply{Done: true, Error: &keeperapi.Error{Message: `ask keeper: it does not know "` + req.Op + `" (version v0.1)`}})
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return keeperapi.Client{Socket: r.dir + "/old.sock"}
}
