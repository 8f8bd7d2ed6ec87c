package track

import (
	"context"
	"slices"
	"sync"
	"time"

	"lodge/internal/sockets"
)

// Options say how a [Tracker] polls. E is what Read returns beside the table, for
// facts that belong to the same moment.
type Options[E any] struct {
	// Interval is the time from the begin of one reading to the begin of the next.
	// A reading that takes longer is followed by a pause of a whole interval.
	Interval time.Duration
	// Rest makes readings rarer where they are dear: one that took a time t is
	// followed by a pause of at least Rest times t. With 4, readings take at most a
	// fifth of all time.
	Rest int
	// Demand leaves a reading out until a subscriber has taken what was read
	// before. Without it a slow subscriber loses changes, which are counted.
	Demand bool
	// Read reads the table. Calls never overlap. ctx ends when the last
	// subscriber has left. The table must not be changed afterwards.
	Read func(ctx context.Context) (*sockets.Table, E, error)
}

// Tracker polls the table of sockets while it has subscribers. Its methods may be
// called from several goroutines.
type Tracker[E any] struct {
	options Options[E]
	wake    chan struct{} // holds one: the poller looks at the state again

	mu    sync.Mutex // guards what follows, and each subscription's queue
	subs  []*Subscription[E]
	held  bool
	asked bool        // a reading is asked for without waiting for its time
	last  *reading[E] // the newest that is no error; nil before the first
	count uint64      // readings
	stop  context.CancelFunc
	done  chan struct{} // closed when the newest poller has ended
}

// reading is what one call of Read returned.
type reading[E any] struct {
	number  uint64
	time    time.Time
	table   *sockets.Table
	extra   E
	changes []Change // since the last reading, where a subscriber wanted them
	diffed  bool     // changes is set
	err     error
}

// New returns a Tracker that polls as soon as there is a subscriber.
func New[E any](o Options[E]) *Tracker[E] {
	return &Tracker[E]{options: o, wake: make(chan struct{}, 1)}
}

// Now reads without waiting for the next reading's time, unless the Tracker is
// held.
func (t *Tracker[E]) Now() {
	t.mu.Lock()
	t.asked = true
	t.mu.Unlock()
	t.signal()
}

// Hold stops reading, or lets it go on, at once.
func (t *Tracker[E]) Hold(hold bool) {
	t.mu.Lock()
	t.held = hold
	t.mu.Unlock()
	if !hold {
		t.Now()
	}
}

// Held reports whether the Tracker is held.
func (t *Tracker[E]) Held() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held
}

func (t *Tracker[E]) signal() {
	select {
	case t.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// poll reads until ctx ends. It begins when the poller before it has ended.
func (t *Tracker[E]) poll(ctx context.Context, before <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	if before != nil {
		<-before
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	due := false
	for {
		select {
		case <-timer.C:
			due = true
		case <-t.wake:
		case <-ctx.Done():
			return
		}
		if !t.begin(due) {
			continue
		}
		began := time.Now()
		table, extra, err := t.options.Read(ctx)
		took := time.Since(began)
		if !t.deliver(ctx, &reading[E]{time: began, table: table, extra: extra, err: err}) {
			return
		}
		due = false
		timer.Reset(t.options.pause(took))
	}
}

// begin reports whether it is time for a reading.
func (t *Tracker[E]) begin(due bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held || !due && !t.asked {
		return false
	}
	if t.options.Demand && !slices.ContainsFunc(t.subs, (*Subscription[E]).hasRoom) {
		return false
	}
	t.asked = false
	return true
}

// pause returns the time from the end of a reading to the next.
func (o *Options[E]) pause(took time.Duration) time.Duration {
	left := o.Interval - took
	if left <= 0 {
		left = o.Interval
	}
	return max(left, time.Duration(o.Rest)*took, time.Millisecond)
}

// deliver hands a reading to the subscribers. It returns false when the poller's
// time is over.
func (t *Tracker[E]) deliver(ctx context.Context, r *reading[E]) bool {
	t.mu.Lock()
	last := t.last
	wanted := slices.ContainsFunc(t.subs, func(s *Subscription[E]) bool { return s.options.Changes })
	t.mu.Unlock()
	if r.err == nil && last != nil && wanted {
		r.changes, r.diffed = Diff(last.table, r.table, r.time), true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	t.count++
	r.number = t.count
	if r.err == nil {
		t.last = r
	}
	for _, s := range t.subs {
		s.offer(r)
	}
	return true
}
