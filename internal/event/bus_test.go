package event

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"
)

const patience = 30 * time.Second

func service(i int) Event {
	return Event{Kind: KindService, Subject: Subject{Service: fmt.Sprint(i)}, Service: &Service{To: "ready", PID: i}}
}

func publish(b *Bus, n int) {
	for i := range n {
		b.Publish(service(i))
	}
}

// contiguous fails unless the events have the numbers from first on, where a loss
// stands for those that it names. It returns the number after the last.
func contiguous(t *testing.T, first uint64, list []Event) uint64 {
	t.Helper()
	for _, e := range list {
		if e.Kind == KindLost && e.Lost.Count > 0 {
			if e.Lost.From != first || e.Number != e.Lost.To || e.Lost.Count != e.Lost.To-e.Lost.From+1 {
				t.Fatalf("lost %+v with number %d, want from %d", *e.Lost, e.Number, first)
			}
			first = e.Lost.To + 1
			continue
		}
		if e.Number != first {
			t.Fatalf("got number %d, want %d", e.Number, first)
		}
		first++
	}
	return first
}

func TestNumbersAndResume(t *testing.T) {
	b := NewBus("s", 100)
	publish(b, 40)
	if got := contiguous(t, 1, b.Subscribe(Position{}).Pending()); got != 41 {
		t.Errorf("from the oldest on: up to %d", got-1)
	}
	list := b.Subscribe(Position{"s", 25}).Pending()
	if len(list) != 15 || list[0].Number != 26 || list[0].Subject.Service != "25" || list[0].Stream != "s" || list[0].Time.IsZero() {
		t.Errorf("after 25: %d, %+v", len(list), list[0])
	}
	if list := b.Subscribe(b.Position()).Pending(); len(list) != 0 {
		t.Errorf("after the newest: %+v", list)
	}
}

func TestLossesAreTold(t *testing.T) {
	b := NewBus("s", 10)
	slow := b.Subscribe(Position{})
	publish(b, 5)
	old := b.Subscribe(Position{"s", 2})
	publish(b, 30) // 26 to 35 are kept
	for _, c := range []struct {
		name   string
		s      *Subscription
		reason string
		count  uint64
		from   uint64
	}{
		{"slow from the first on", slow, LostSlowReader, 25, 1},
		{"slow after its first", old, LostSlowReader, 23, 3},
		{"too old", b.Subscribe(Position{"s", 7}), LostTooOld, 18, 8},
		{"of no stream", b.Subscribe(Position{"", 7}), LostTooOld, 18, 8},
	} {
		list := c.s.Pending()
		if len(list) != 11 || list[0].Kind != KindLost || *list[0].Lost != (Lost{Reason: c.reason, Count: c.count, From: c.from, To: 25}) {
			t.Errorf("%s: %d events, the first %+v", c.name, len(list), list[0].Lost)
			continue
		}
		if end := contiguous(t, c.from, list); end != 36 {
			t.Errorf("%s: up to %d", c.name, end-1)
		}
	}
	for reason, at := range map[string]Position{LostStreamChanged: {"other", 30}, LostUnknownNumber: {"s", 36}} {
		list := b.Subscribe(at).Pending()
		if len(list) == 0 || list[0].Lost == nil || list[0].Lost.Reason != reason {
			t.Errorf("%s: %+v", reason, list)
		}
	}
	if list := b.Subscribe(Position{}).Pending(); list[0].Number != 26 {
		t.Errorf("from the oldest on: %+v", list[0])
	}
}

func TestAResumedBusGoesOn(t *testing.T) {
	for _, size := range []int{7, 64, 1000} {
		a := NewBus("s", 64)
		publish(a, 200)
		b := NewBus("s", size)
		b.Resume(a.Kept(), a.Position().Number)
		if n := b.Publish(service(1)); n != 201 {
			t.Errorf("the next number is %d", n)
		}
		kept := b.Kept()
		if want := min(size, 65); len(kept) != want || contiguous(t, kept[0].Number, kept) != 202 {
			t.Errorf("size %d: %d are kept, want %d", size, len(kept), want)
		}
	}
	b := NewBus("s", 8)
	b.Resume(nil, 41) // the files had only the state
	b.Publish(service(1))
	if list := b.Subscribe(Position{"s", 41}).Pending(); len(list) != 1 || list[0].Number != 42 {
		t.Errorf("got %+v", list)
	}
}

func TestBeforeATime(t *testing.T) {
	b := NewBus("s", 8)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 20 {
		e := service(i)
		e.Time = start.Add(time.Duration(i) * time.Second)
		b.Publish(e)
	}
	for after, want := range map[time.Duration]uint64{-time.Hour: 12, 15 * time.Second: 15, 15*time.Second + 1: 16, time.Hour: 20} {
		if got := b.Before(start.Add(after)); got.Number != want {
			t.Errorf("before %v: %d, want %d", after, got.Number, want)
		}
	}
}

func TestEventsAreKeptBeforeTheyAreRead(t *testing.T) {
	b := NewBus("s", 8)
	s := b.Subscribe(Position{})
	var kept []Event
	b.Keep(func(list []Event) {
		for _, e := range s.Pending() {
			if e.Number >= list[0].Number {
				t.Errorf("event %d was read before it was kept", e.Number)
			}
		}
		kept = append(kept, list...)
	})
	b.Publish(service(1), service(2))
	b.PublishFunc(func() []Event { return []Event{service(3)} })
	if n := b.Publish(); n != 3 || len(kept) != 3 || contiguous(t, 1, kept) != 4 {
		t.Errorf("number %d, kept %+v", n, kept)
	}
}

func TestACloseTellsWhatWasPublished(t *testing.T) {
	b := NewBus("s", 8)
	s := b.Subscribe(Position{})
	publish(b, 3)
	b.Close()
	b.Close()
	list, err := s.Next(context.Background())
	if err != nil || len(list) != 3 {
		t.Errorf("got %d, %v", len(list), err)
	}
	if _, err := s.Next(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewBus("s", 8).Subscribe(Position{}).Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestMany has several publishers, readers that are fast, and one that never reads
// until the end: each event is read or counted, in order, and nobody waits.
func TestMany(t *testing.T) {
	const publishers, each, readers = 4, 5000, 3
	b := NewBus("s", 256)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	late := b.Subscribe(Position{})
	var read, wrote sync.WaitGroup
	for range readers {
		s := b.Subscribe(Position{})
		read.Go(func() {
			for next := uint64(1); next <= publishers*each; {
				list, err := s.Next(ctx)
				if err != nil {
					t.Errorf("at %d: %v", next, err)
					return
				}
				next = contiguous(t, next, list)
			}
		})
	}
	for p := range publishers {
		wrote.Go(func() {
			for i := range each {
				e := service(p)
				e.Service.Restarts = i
				b.Publish(e)
			}
		})
	}
	wrote.Wait()
	read.Wait()
	list := late.Pending()
	if contiguous(t, 1, list) != publishers*each+1 || list[0].Lost.Count != publishers*each-256 {
		t.Errorf("the late reader: %d events, the first %+v", len(list), list[0])
	}
	// Of each publisher the order is kept.
	last := make(map[int]int)
	for _, e := range b.Kept() {
		if old, ok := last[e.Service.PID]; ok && e.Service.Restarts != old+1 {
			t.Errorf("publisher %d: %d after %d", e.Service.PID, e.Service.Restarts, old)
		}
		last[e.Service.PID] = e.Service.Restarts
	}
}
