package settle

import (
	"time"

	"lodge/internal/procfs"
)

// A service of which nothing is said may be a worker, which never listens. It
// cannot be known, but told from a server that is slow to start: that one is
// busy meanwhile. So a service that runs and listens nowhere is taken for a
// worker, and is ready, once it has run for idleLeast and done nothing for
// idleQuiet. Doing nothing is to use less than a fifth of a processor, to wait
// for one for less than half of the time, and not to wait for a disk. One that is busy all the time, or has
// listened before, is waited for as long as any other.
const (
	idleLeast = 3 * time.Second
	idleQuiet = 2 * time.Second
	idleEvery = 250 * time.Millisecond
	idleShare = 5 // a fifth
	idleWait  = 2 // half
)

// IdleTimes says when a service is taken for a worker: after how long, and after how
// long without work; and how often it is looked.
type IdleTimes struct{ Least, Quiet, Every time.Duration }

// DefaultIdle returns the times that hold for services.
func DefaultIdle() IdleTimes { return IdleTimes{idleLeast, idleQuiet, idleEvery} }

// Idle follows what a service that listens nowhere does.
type Idle struct {
	Times IdleTimes
	Began time.Time // of the service
	last  procfs.Activity
	at    time.Time // of last
	since time.Time // since when it does nothing
}

// Due reports whether it is time to look again, at a time.
func (w *Idle) Due(at time.Time) bool { return at.Sub(w.at) >= w.Times.Every }

// See takes what the service has done until a time, and reports whether it is
// taken for a worker.
func (w *Idle) See(a procfs.Activity, at time.Time) bool {
	first := w.at.IsZero()
	span := at.Sub(w.at)
	used := max(a.CPU-w.last.CPU, 0)
	wanted := used + max(a.Wait-w.last.Wait, 0)
	busy := used > span/idleShare || wanted > span/idleWait || a.Disk || a.Runs && wanted == 0 // the last waits all the time
	w.last, w.at = a, at
	if first || busy {
		w.since = at
	}
	return at.Sub(w.since) >= w.Times.Quiet && at.Sub(w.Began) >= w.Times.Least
}

// Next returns when to look next.
func (w *Idle) Next() time.Time { return w.at.Add(w.Times.Every) }
