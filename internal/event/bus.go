package event

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed says that nothing more is published: the stream has ended for its
// readers.
var ErrClosed = errors.New("the stream of events has ended")

// MaxBatch is the most events that one call of [Subscription.Next] returns.
const MaxBatch = 512

// Bus numbers events and keeps the newest of them in a ring. Its readers hold
// places in the ring, so that publishing never waits for one, and a slow reader
// costs no memory: what it did not read in time is lost to it, and counted.
type Bus struct {
	// publishing makes the order of numbers the order of delivery and of keep. It
	// is taken before mu.
	publishing sync.Mutex
	keep       func([]Event)

	mu     sync.Mutex // guards what follows
	stream string
	size   int
	ring   []Event // up to size; event n is at (n-1) % size
	last   uint64  // the newest number, 0 for none
	first  uint64  // the oldest that is kept; last+1 where none is
	closed bool
	wake   chan struct{} // closed and replaced at every publication
}

// NewBus returns a bus that keeps the newest size events. stream identifies its
// numbers.
func NewBus(stream string, size int) *Bus {
	return &Bus{stream: stream, size: max(size, 1), first: 1, wake: make(chan struct{})}
}

// Resume makes the bus continue the stream of an older one: the events, which
// must have contiguous numbers, are those that it had, and last is its newest
// number. It is called before the bus is used.
func (b *Bus) Resume(events []Event, last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	events = events[max(0, len(events)-b.size):]
	b.last, b.first = last, last+1
	if len(events) > 0 {
		b.first = events[0].Number
	}
	for _, e := range events {
		b.put(e)
	}
}

// put writes an event to its place in the ring, which grows as it is needed. The
// caller holds mu.
func (b *Bus) put(e Event) {
	at := int((e.Number - 1) % uint64(b.size))
	if len(b.ring) <= at {
		b.ring = append(b.ring, make([]Event, at+1-len(b.ring))...)
	}
	b.ring[at] = e
}

// Keep sets a function that takes every batch of events once they have their
// numbers, and before any reader has them: what writes them to a disk. It is
// called by one publisher at a time, and set before the bus is used.
func (b *Bus) Keep(f func([]Event)) { b.keep = f }

// Publish gives the events their numbers, and their time where they have none,
// and hands them to the readers. It waits for no reader. It returns the number of
// the last one.
func (b *Bus) Publish(events ...Event) uint64 {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	return b.publish(events)
}

// PublishFunc publishes what f returns. No other event is published meanwhile, so
// that f may compare with what was published before; it must not publish itself.
func (b *Bus) PublishFunc(f func() []Event) uint64 {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	return b.publish(f())
}

// publish is Publish; the caller holds publishing.
func (b *Bus) publish(events []Event) uint64 {
	b.mu.Lock()
	last := b.last
	b.mu.Unlock()
	if len(events) == 0 {
		return last
	}
	now := time.Now()
	for i := range events {
		last++
		events[i].Stream, events[i].Number = b.stream, last
		if events[i].Time.IsZero() {
			events[i].Time = now
		}
	}
	if b.keep != nil {
		b.keep(events)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range events {
		b.put(e)
		b.last = e.Number
		if b.last-b.first >= uint64(b.size) {
			b.first = b.last - uint64(b.size) + 1
		}
	}
	close(b.wake)
	b.wake = make(chan struct{})
	return b.last
}

// Close ends the stream for its readers: each still gets what was published
// before, and then ErrClosed. Publishing goes on.
func (b *Bus) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.closed = true
	close(b.wake)
	b.wake = make(chan struct{})
}

// Position is a place in a stream: after the event with this number.
type Position struct {
	Stream string `json:"stream,omitempty"`
	Number uint64 `json:"number"`
}

// Position returns the place after the newest event.
func (b *Bus) Position() Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Position{b.stream, b.last}
}

// Kept returns the events that are in the ring, the oldest first.
func (b *Bus) Kept() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Event, 0, b.last+1-b.first)
	for n := b.first; n <= b.last; n++ {
		out = append(out, b.ring[(n-1)%uint64(b.size)])
	}
	return out
}

// Before returns the place before the first kept event that is not older than t.
func (b *Bus) Before(t time.Time) Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Sources have clocks of their own, so that times only nearly rise: the first
	// one counts from which on none is older.
	n := b.last
	for n >= b.first && !b.ring[(n-1)%uint64(b.size)].Time.Before(t) {
		n--
	}
	return Position{b.stream, n}
}

// Subscription is one reader's place in the stream. One goroutine at a time may
// use it.
type Subscription struct {
	bus   *Bus
	next  uint64 // the number that it reads next
	early []Event
}

// Subscribe returns a reader of the events after a place. Number 0 is the oldest
// that is kept; a Stream of "" is the bus's own. Where events after that place are
// not kept any more, or the place is one of another stream, the first event that it
// reads is a KindLost which says so.
func (b *Bus) Subscribe(after Position) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &Subscription{bus: b, next: after.Number + 1}
	switch {
	case after.Stream != "" && after.Stream != b.stream:
		s.next = b.first
		s.early = []Event{b.missing(Lost{Reason: LostStreamChanged}, b.first-1)}
	case after.Number > b.last:
		s.next = b.last + 1
		s.early = []Event{b.missing(Lost{Reason: LostUnknownNumber}, b.last)}
	case after.Number == 0:
		s.next = b.first
	case s.next < b.first:
		s.early = []Event{b.missing(Lost{Reason: LostTooOld, Count: b.first - s.next, From: s.next, To: b.first - 1}, b.first-1)}
		s.next = b.first
	}
	return s
}

// missing is the event that stands for missing ones. The caller holds mu.
func (b *Bus) missing(l Lost, number uint64) Event {
	return Event{Stream: b.stream, Number: number, Time: time.Now(), Kind: KindLost, Source: Source{Name: SourceDaemon}, Lost: &l}
}

// Next returns the events that come next, at least one and at most MaxBatch and
// one, and waits for them until ctx ends. Events that were dropped before they
// were read are counted by a KindLost in their place.
func (s *Subscription) Next(ctx context.Context) ([]Event, error) {
	for {
		out, wake := s.take()
		if len(out) > 0 {
			return out, nil
		}
		if wake == nil {
			return nil, ErrClosed
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Position returns the place after what was read last.
func (s *Subscription) Position() Position { return Position{s.bus.stream, s.next - 1} }

// Pending returns what Next would return without waiting; none: there is nothing
// new.
func (s *Subscription) Pending() []Event {
	out, _ := s.take()
	return out
}

// take returns what is there, or the channel that tells of more; nil, nil where
// the stream has ended.
func (s *Subscription) take() ([]Event, <-chan struct{}) {
	b := s.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	out := s.early
	s.early = nil
	if s.next < b.first {
		out = append(out, b.missing(Lost{Reason: LostSlowReader, Count: b.first - s.next, From: s.next, To: b.first - 1}, b.first-1))
		s.next = b.first
	}
	for ; s.next <= b.last && len(out) <= MaxBatch; s.next++ {
		out = append(out, b.ring[(s.next-1)%uint64(b.size)])
	}
	if len(out) == 0 && b.closed {
		return nil, nil
	}
	return out, b.wake
}
