package events

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/event"
	"lodge/internal/keeperapi"
	"lodge/internal/service"
)

func TestEventsOfAnOlderKeeper(t *testing.T) {
	code := 1
	old := []service.Status{{Name: "web", State: service.Up, PID: 5}, {Name: "db", State: service.Up, PID: 6}, {Name: "gone", State: service.Stopped}}
	now := []service.Status{{Name: "web", State: service.Backoff, Exit: &code, Reason: "ended"}, {Name: "db", State: service.Up, PID: 6}, {Name: "new", State: service.Waiting}}
	var got []string
	for _, e := range differences(old, now) {
		got = append(got, e.Subject.Service+": "+e.Service.From+" "+e.Service.To)
	}
	if s := strings.Join(got, ", "); s != "web: ready backoff, new:  waiting, gone: stopped removed" {
		t.Errorf("got %s", s)
	}
}

// A keeper that dropped transitions before they were read is told of.
func TestAKeeperThatWasNotReadInTime(t *testing.T) {
	ev := Open(Options{
		File: filepath.Join(t.TempDir(), "events.jsonl"), Label: func(_, name string) string { return name },
		Follows: func(string) bool { return true }, Log: slog.New(slog.DiscardHandler),
	})
	p := keeperapi.Config{ID: "shop-1", Name: "shop", Dir: "/shop"}
	of := func(stream string, n uint64) event.Event {
		return event.Event{Stream: stream, Number: n, Kind: event.KindService, Subject: event.Subject{Service: "web"}, Service: &event.Service{To: "ready"}}
	}
	at := ev.pass(p, event.Position{}, []event.Event{of("a", 3), of("a", 4)})
	at = ev.pass(p, at, []event.Event{of("a", 4), of("a", 5), {Kind: event.KindLost, Stream: "a", Number: 8, Lost: &event.Lost{}}, of("a", 9)})
	at = ev.pass(p, at, []event.Event{of("b", 1)}) // another keeper
	if at != (event.Position{Stream: "b", Number: 1}) || ev.cursor("shop-1") != at {
		t.Errorf("it is at %+v", at)
	}
	var got []string
	for _, e := range ev.bus.Subscribe(event.Position{}).Pending() {
		switch {
		case e.Lost != nil:
			got = append(got, "lost "+e.Lost.Reason, string(rune('0'+e.Lost.From)), string(rune('0'+e.Lost.To)))
		case e.Service != nil:
			got = append(got, e.Source.Stream+string(rune('0'+e.Source.Number)))
		}
	}
	if s := strings.Join(got, " "); s != "lost keeper_overrun 1 2 a3 a4 a5 lost keeper_overrun 6 8 a9 b1" {
		t.Errorf("got %s", s)
	}
	if err := ev.Close(); err != nil {
		t.Error(err)
	}
}
