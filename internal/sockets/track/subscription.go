package track

import (
	"context"
	"errors"
	"slices"
	"time"

	"lodge/internal/sockets"
)

// ErrClosed is the error of a [Subscription] that was closed.
var ErrClosed = errors.New("the subscription is closed")

// SubscribeOptions say what a subscriber wants.
type SubscribeOptions struct {
	// Changes asks for [Update.Changes].
	Changes bool
	// Buffer is how many readings are kept until the subscriber takes them; zero
	// is one. Each keeps a whole table in memory, about 700 bytes a socket.
	Buffer int
}

// Update is one reading as a subscriber receives it.
type Update[E any] struct {
	// Number counts the Tracker's readings from 1.
	Number uint64
	// Time is when the reading began. It has a monotonic reading.
	Time time.Time
	// Table is the table that was read, shared with others: it must not be
	// changed. It is nil where Err is not.
	Table *sockets.Table
	// Extra is what the Tracker's Read returned beside the table.
	Extra E
	// Changes lead from the Table of this subscriber's Update before to this one's,
	// where they were asked for. They are nil in the first Update.
	Changes []Change
	// Skipped counts the readings that were dropped before this one because the
	// subscriber was slow, and Lost the changes in them. Changes has what is left
	// of those, but a socket that was opened and closed in between is not in it.
	Skipped, Lost int
	// Err says why the reading failed. The Tracker goes on.
	Err error
}

// Subscription is one subscriber's queue of readings. Next must not be called by
// several goroutines at once.
type Subscription[E any] struct {
	tracker *Tracker[E]
	options SubscribeOptions
	ready   chan struct{} // holds one: Next looks at the queue again

	// The Tracker's mu guards what follows.
	queue         []*reading[E]
	skipped, lost int
	last          *sockets.Table // of the newest Update, where changes are wanted
	closed        bool
}

// Subscribe makes a subscription, which the caller closes. The first starts the
// poller. Where the Tracker holds a table already, the first Update is that one.
func (t *Tracker[E]) Subscribe(o SubscribeOptions) *Subscription[E] {
	o.Buffer = max(o.Buffer, 1)
	s := &Subscription[E]{tracker: t, options: o, ready: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last != nil {
		first := *t.last
		first.changes, first.diffed = nil, false
		s.offer(&first)
	}
	t.subs = append(t.subs, s)
	if t.stop == nil {
		ctx, stop := context.WithCancel(context.Background())
		before := t.done
		t.stop, t.done = stop, make(chan struct{})
		go t.poll(ctx, before, t.done)
	}
	return s
}

// Close ends the subscription. The last one stops the poller, and waits until it
// has ended; the Tracker's table is forgotten then.
func (s *Subscription[E]) Close() {
	t := s.tracker
	t.mu.Lock()
	if s.closed {
		t.mu.Unlock()
		return
	}
	s.closed = true
	s.queue, s.last = nil, nil
	s.notify()
	t.subs = slices.DeleteFunc(t.subs, func(o *Subscription[E]) bool { return o == s })
	var done chan struct{}
	if len(t.subs) == 0 {
		t.stop()
		t.stop, t.last, done = nil, nil, t.done
	}
	t.mu.Unlock()
	if done != nil {
		<-done
		return
	}
	t.signal() // the others may be waiting for a reading
}

// Next returns the next Update, and waits for it. The error is ctx's, or
// [ErrClosed].
func (s *Subscription[E]) Next(ctx context.Context) (Update[E], error) {
	for {
		u, before, ok, err := s.take()
		if err != nil {
			return u, err
		}
		if ok {
			if before != nil {
				u.Changes = Diff(before, u.Table, u.Time)
			}
			return u, nil
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
			return u, ctx.Err()
		}
	}
}

// take takes a reading off the queue. before is not nil where the Update's
// changes are yet to be computed, from that table.
func (s *Subscription[E]) take() (u Update[E], before *sockets.Table, ok bool, err error) {
	t := s.tracker
	t.mu.Lock()
	defer t.mu.Unlock()
	if s.closed {
		return u, nil, false, ErrClosed
	}
	if len(s.queue) == 0 {
		return u, nil, false, nil
	}
	r := s.queue[0]
	s.queue = slices.Delete(s.queue, 0, 1)
	u = Update[E]{Number: r.number, Time: r.time, Table: r.table, Extra: r.extra, Skipped: s.skipped, Lost: s.lost, Err: r.err}
	s.skipped, s.lost = 0, 0
	if s.options.Changes && r.err == nil {
		if r.diffed && u.Skipped == 0 {
			u.Changes = r.changes
		} else {
			before = s.last
		}
		s.last = r.table
	}
	if t.options.Demand {
		t.signal()
	}
	return u, before, true, nil
}

// offer queues a reading. Where the queue is full, the newest table takes the
// place of all that wait, which are counted. The caller holds the Tracker's mu.
func (s *Subscription[E]) offer(r *reading[E]) {
	switch {
	case s.hasRoom():
		s.queue = append(s.queue, r)
	case r.err != nil:
		s.skipped++
	default:
		for _, old := range s.queue {
			s.skipped++
			if s.options.Changes {
				s.lost += len(old.changes)
			}
		}
		s.queue = append(s.queue[:0], r)
	}
	s.notify()
}

func (s *Subscription[E]) hasRoom() bool { return len(s.queue) < s.options.Buffer }

func (s *Subscription[E]) notify() {
	select {
	case s.ready <- struct{}{}:
	default: // Next is about to look anyway
	}
}
