package event

import (
	"errors"
	"sync"
	"time"
)

// ErrClosed says that nothing more is published: the stream has ended for its
// readers.
var ErrClosed = errors.New("the stream of events has ended")

// MaxBatch is the most events that one call of [Subscription.Next] returns.
const MaxBatch = 512

// Bus numbers events and keeps the newest of them in two rings: events of sockets,
// of which there may be very many, have one of their own and so take no place from
// others. Readers merge them by number. They hold places in the rings, so that
// publishing never waits for one, and a slow reader costs no memory: what it did not
// read in time is lost to it, and counted.
type Bus struct {
	// publishing makes the order of numbers the order of delivery and of keep. It
	// is taken before mu.
	publishing sync.Mutex
	keep       func([]Event)

	mu      sync.Mutex // guards what follows
	stream  string
	main    ring
	sockets ring
	last    uint64 // the newest number, 0 for none
	resumed uint64 // the newest number of the process before
	closed  bool
	wake    chan struct{} // closed and replaced at every publication
}

// NewBus returns a bus that keeps the newest size events, and beside them half as
// many of sockets. stream identifies its numbers.
func NewBus(stream string, size int) *Bus {
	return &Bus{stream: stream, main: ring{size: max(size, 1)}, sockets: ring{size: max(size/2, 1)}, wake: make(chan struct{})}
}

// Resume makes the bus continue the stream of an older one: the events are those
// that it had, by rising numbers, of which only those of sockets may be missing, and
// last is its newest number. It is called before the bus is used.
func (b *Bus) Resume(events []Event, last uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last, b.resumed, b.main.dropped = last, last, last
	if len(events) > 0 {
		b.main.dropped = events[0].Number - 1
	}
	for _, e := range events {
		b.put(e)
	}
}

// put writes an event to its ring. The caller holds mu.
func (b *Bus) put(e Event) {
	if e.OfSockets() {
		b.sockets.push(e)
		return
	}
	b.main.push(e)
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
	now := time.Now().UTC()
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

// Kept returns the events that are in the ring, the oldest first, without those of
// sockets.
func (b *Bus) Kept() []Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Event, b.main.len())
	for i := range out {
		out[i] = *b.main.at(i)
	}
	return out
}

// Before returns the place before the first kept event that is not older than t.
func (b *Bus) Before(t time.Time) Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Sources have clocks of their own, so that times only nearly rise: of each ring
	// the first one counts from which on none is older.
	n := b.last
	for _, r := range []*ring{&b.main, &b.sockets} {
		for i := r.len() - 1; i >= 0 && !r.at(i).Time.Before(t); i-- {
			n = min(n, r.at(i).Number-1)
		}
	}
	return Position{b.stream, n}
}
