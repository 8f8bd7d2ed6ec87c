package service

import (
	"time"

	"lodge/internal/procfs"
)

// A service of which nothing is said may be a worker, which never listens. It
// cannot be known, but told from a server that is slow to start: that one is
// busy meanwhile. So a service that runs and listens nowhere is taken for a
// worker, and is ready, once it has run for workerLeast and done nothing for
// workerQuiet. Doing nothing is to use less than a fifth of a processor, to wait
// for one for less than half of the time, and not to wait for a disk. One that is busy all the time, or has
// listened before, is waited for as long as any other.
const (
	workerLeast = 3 * time.Second
	workerQuiet = 2 * time.Second
	workerEvery = 250 * time.Millisecond
	workerShare = 5 // a fifth
	workerWait  = 2 // half
)

// workerReason is what is told of a service that was taken for a worker.
const workerReason = "it listens nowhere, and is taken for a worker"

// workerTimes are workerLeast, workerQuiet and workerEvery; a test sets others.
type workerTimes struct{ least, quiet, every time.Duration }

// mayBeWorker reports whether nothing says that the service listens.
func mayBeWorker(sp Spec) bool {
	rd := sp.Ready
	return rd.HTTP == "" && len(rd.Command) == 0 && rd.Log == "" && len(rd.TCP) == 0 && !rd.None && !rd.Soft &&
		sp.HTTP == 0 && sp.HTTPSocket == "" && sp.Port == 0 && !sp.AutoPort && !sp.Listen && !sp.OnRequest && len(sp.PortNames) == 0
}

// idleness follows what a service that listens nowhere does.
type idleness struct {
	workerTimes
	began time.Time // of the service
	last  procfs.Activity
	at    time.Time // of last
	since time.Time // since when it does nothing
}

// due reports whether it is time to look.
func (w *idleness) due() bool { return time.Since(w.at) >= w.every }

// see takes what the service has done until a time, and reports whether it is
// taken for a worker.
func (w *idleness) see(a procfs.Activity, at time.Time) bool {
	first := w.at.IsZero()
	span := at.Sub(w.at)
	used := max(a.CPU-w.last.CPU, 0)
	wanted := used + max(a.Wait-w.last.Wait, 0)
	busy := used > span/workerShare || wanted > span/workerWait || a.Disk || a.Runs && wanted == 0 // the last waits all the time
	w.last, w.at = a, at
	if first || busy {
		w.since = at
	}
	return at.Sub(w.since) >= w.quiet && at.Sub(w.began) >= w.least
}
