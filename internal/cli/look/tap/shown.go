package tap

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/tap"
)

// shown is what goes to standard output, which may be read slowly or not at all: a
// goroutine of its own writes it, in large pieces where records come fast, and what waits
// for it is bounded. Live, what finds no
// place is counted and left out, so that neither the capture nor the files wait; where a
// file is read, its reading waits.
type shown struct {
	out flusher
	ctx context.Context
	// interrupted ends at a signal: then nothing is waited for any more.
	interrupted context.Context
	waits       bool // a file is read
	stop        func(error)

	queue chan *tap.Record
	room  chan struct{} // a record left the queue
	bytes atomic.Int64  // of bodies in the queue
	ended chan struct{}
	once  sync.Once

	failed bool // something could not be written; read it when ended is closed

	// By the goroutine of the engine:
	dropped uint64
	whole   bool // all was written
}

// flusher is an output that is buffered.
type flusher interface {
	output
	flush() error
}

const (
	maxShown      = 8192
	maxShownBytes = 32 << 20
	// lastWords is how long outputs have after a signal.
	lastWords = 500 * time.Millisecond
)

// newShown starts the goroutine. ctx is that of the run, interrupted ends at a signal, stop
// gets the first error.
func newShown(ctx, interrupted context.Context, out flusher, waits bool, stop func(error)) *shown {
	s := &shown{
		out: out, ctx: ctx, interrupted: interrupted, waits: waits, stop: stop, queue: make(chan *tap.Record, maxShown), room: make(chan struct{}, 1), ended: make(chan struct{}),
	}
	go s.write()
	return s
}

func (s *shown) write() {
	defer close(s.ended)
	for x := range s.queue {
		s.bytes.Add(-weight(x))
		select {
		case s.room <- struct{}{}:
		default:
		}
		if s.failed {
			continue
		}
		err := s.out.record(x)
		if err == nil && len(s.queue) == 0 {
			err = s.out.flush() // nothing follows at once
		}
		if err != nil {
			s.failed = true
			s.stop(err)
		}
	}
}

// weight is the memory that a record holds beyond what all do.
func weight(x *tap.Record) int64 {
	if x.Exchange == nil {
		return 0
	}
	return int64(len(x.Exchange.Request.Body) + len(x.Exchange.Response.Body) + len(x.Exchange.Target))
}

// record implements [output].
func (s *shown) record(x *tap.Record) error {
	w := weight(x)
	if s.waits {
		for n := s.bytes.Load(); n > 0 && n+w > maxShownBytes; n = s.bytes.Load() {
			select {
			case <-s.room:
			case <-s.ctx.Done():
				s.drop(x)
				return nil
			}
		}
		select {
		case s.queue <- x:
			s.bytes.Add(w)
		case <-s.ctx.Done():
			s.drop(x)
		}
		return nil
	}
	if s.bytes.Load()+w > maxShownBytes {
		s.drop(x)
		return nil
	}
	select {
	case s.queue <- x:
		s.bytes.Add(w)
	default:
		s.drop(x)
	}
	return nil
}

func (s *shown) drop(x *tap.Record) {
	if x.Number != 0 { // else it comes once more
		s.dropped++
	}
}

// drain waits until all is written, as long as that takes: what is tapped goes on without
// the tap by now. From a signal on it waits for a moment. It returns how many records were
// left out. Nothing may be recorded afterwards.
func (s *shown) drain() (dropped uint64, whole bool) {
	s.once.Do(func() {
		close(s.queue)
		if s.whole = lastOf(s.interrupted, s.ended); !s.whole {
			s.dropped += uint64(len(s.queue)) + 1
		}
	})
	return s.dropped, s.whole
}

// lastOf waits until ended is closed, from a signal on for a moment, and reports whether it
// was.
func lastOf(interrupted context.Context, ended <-chan struct{}) bool {
	select {
	case <-ended:
		return true
	case <-interrupted.Done():
	}
	select {
	case <-ended:
		return true
	case <-time.After(lastWords):
		return false
	}
}

// close implements [output].
func (s *shown) close(a *tap.Account) error {
	if _, whole := s.drain(); !whole {
		return nil // the account has what was left out; nothing more can be written
	}
	return s.out.close(a)
}
