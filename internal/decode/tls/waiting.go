package tls

import (
	"slices"
	"time"
)

// maxWaiting is how many connections may wait for keys after their end.
const maxWaiting = 4096

// Waiting has the connections of an engine whose records wait for keys, so that keys
// which come later than the last byte of a connection still decrypt it. The owner of the
// engine calls [Waiting.Look] from time to time, from the engine's goroutine.
type Waiting struct {
	// Ended is for how long a connection waits after its end, Open for how long one
	// that has not ended; zero: until it ends.
	Ended, Open time.Duration

	list []*crypt
}

// Look tries the keys that are known now, and gives up what has waited for too long, but
// nothing that has waited only since known: the time of which all places where keys may
// come from are known. now and known are by any clock that is always the same one.
func (w *Waiting) Look(now, known time.Time) {
	w.list = slices.DeleteFunc(w.list, func(x *crypt) bool {
		x.drain()
		limit := w.Open
		if x.over {
			limit = w.Ended
		}
		switch {
		case len(x.held) == 0:
		case x.since.IsZero():
			x.since = now
			return false
		case limit == 0 && !x.over, now.Sub(x.since) < limit, known.Before(x.since):
			return false
		}
		w.leave(x)
		return true
	})
}

// Close gives up all that waits: no keys come any more.
func (w *Waiting) Close() {
	for _, x := range w.list {
		x.drain()
		w.leave(x)
	}
	w.list = nil
}

// enter makes the connection one of those that wait.
func (w *Waiting) enter(x *crypt) {
	if w != nil && !x.listed {
		x.listed, x.since = true, time.Time{}
		w.list = append(w.list, x)
	}
}

// leave is the end of the waiting: what still waits is given up.
func (*Waiting) leave(x *crypt) {
	x.listed = false
	if len(x.held) > 0 {
		x.giveUp()
	}
	if x.over {
		x.plain, x.early = nil, nil
		x.d.s.close()
	}
}

// linger reports whether the connection, which has ended, goes on waiting for keys.
func (w *Waiting) linger(x *crypt) bool {
	if w == nil || len(x.held) == 0 || w.Ended == 0 || len(w.list) > maxWaiting {
		return false
	}
	x.over, x.since = true, time.Time{}
	w.enter(x)
	return true
}
