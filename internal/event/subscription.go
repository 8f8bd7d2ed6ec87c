package event

import (
	"context"
	"time"
)

// Subscription is one reader's place in the stream. One goroutine at a time may
// use it.
type Subscription struct {
	bus     *Bus
	sockets bool   // it reads events of sockets too
	next    uint64 // the number that it reads next
	early   []Event
	// known is the number up to which what is missing was so when it began.
	known uint64
}

// Subscribe returns a reader of the events after a place, without those of sockets.
// Number 0 is the oldest that is kept; a Stream of "" is the bus's own. Where events
// after that place are not kept any more, or the place is one of another stream, the
// first event that it reads is a KindLost which says so.
func (b *Bus) Subscribe(after Position) *Subscription { return b.subscribe(after, false) }

// SubscribeAll is Subscribe of all events. A KindLost stands in the place of each that
// is not kept, so that the numbers have no gap.
func (b *Bus) SubscribeAll(after Position) *Subscription { return b.subscribe(after, true) }

func (b *Bus) subscribe(after Position, sockets bool) *Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := b.main.dropped + 1
	s := &Subscription{bus: b, sockets: sockets, next: after.Number + 1, known: b.main.dropped}
	if sockets {
		s.known = max(s.known, b.sockets.dropped)
	}
	switch {
	case after.Stream != "" && after.Stream != b.stream:
		s.next = first
		s.early = []Event{b.missing(Lost{Reason: LostStreamChanged}, first-1)}
	case after.Number > b.last:
		s.next = b.last + 1
		s.early = []Event{b.missing(Lost{Reason: LostUnknownNumber}, b.last)}
	case after.Number == 0:
		s.next = first
	}
	return s
}

// missing is the event that stands for missing ones. The caller holds mu.
func (b *Bus) missing(l Lost, number uint64) Event {
	return Event{Stream: b.stream, Number: number, Time: time.Now().UTC(), Kind: KindLost, Source: Source{Name: SourceDaemon}, Lost: &l}
}

// Next returns the events that come next, at least one and at most MaxBatch and
// a few, and waits for them until ctx ends. Events that were dropped before they
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
	i, j := b.main.find(s.next), b.sockets.len()
	if s.sockets {
		j = b.sockets.find(s.next)
	}
	for len(out) <= MaxBatch {
		var e *Event
		if i < b.main.len() {
			e = b.main.at(i)
		}
		if j < b.sockets.len() && (e == nil || b.sockets.at(j).Number < e.Number) {
			e = b.sockets.at(j)
			j++
		} else {
			i++
		}
		if e == nil {
			out = s.skip(out, b.last)
			break
		}
		out = append(s.skip(out, e.Number-1), *e)
		s.next = e.Number + 1
	}
	if len(out) == 0 && b.closed {
		return nil, nil
	}
	return out, b.wake
}

// skip goes on after the number last, and adds a KindLost for each run of missing
// events up to there. A reader without sockets misses only what the main ring has
// dropped. The caller holds the bus's mu.
func (s *Subscription) skip(out []Event, last uint64) []Event {
	b := s.bus
	for s.next <= last {
		to := last
		for _, end := range []uint64{b.main.dropped, b.resumed, s.known} {
			if s.next <= end {
				to = min(to, end)
			}
		}
		l := Lost{Reason: LostSlowReader, Count: to - s.next + 1, From: s.next, To: to}
		switch {
		case s.next > b.main.dropped && !s.sockets:
			s.next = to + 1 // of sockets
			continue
		case s.next > b.main.dropped && s.next <= b.resumed:
			l.Reason = LostDaemonEnded
		case s.next <= s.known:
			l.Reason = LostTooOld
		}
		if s.next > b.main.dropped {
			l.Of = KindSocket
		}
		out = append(out, b.missing(l, to))
		s.next = to + 1
	}
	return out
}
