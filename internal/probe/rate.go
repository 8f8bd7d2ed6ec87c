package probe

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// dispatch hands out jobs at the rate. Each carries the time at which it should
// begin: when all workers are busy it begins later, and the wait counts as
// latency. Measuring from the late beginning instead would leave out just the
// operations that a stalled server made wait ("coordinated omission").
func (l *Load) dispatch(starting context.Context, jobs chan<- job) {
	defer close(jobs)
	// Go's timers may be late by a millisecond, which would count as latency: the
	// last part is slept in the kernel, whose slack is set to nothing for this thread.
	runtime.LockOSThread() // never unlocked: the thread ends with this goroutine
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
	interval := float64(time.Second) / l.opts.Rate
	for i := 0; l.opts.Count <= 0 || i < l.opts.Count; i++ {
		at := l.start.Add(time.Duration(float64(i) * interval))
		if !at.Before(l.end) || !waitUntil(starting, at) {
			return
		}
		select {
		case jobs <- job{at: at}:
		case <-starting.Done():
			return
		}
	}
}

// waitUntil waits until at, and reports whether ctx is still going on then.
func waitUntil(ctx context.Context, at time.Time) bool {
	const coarse = 2 * time.Millisecond
	if left := time.Until(at); left > coarse {
		t := time.NewTimer(left - coarse)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	for {
		left := time.Until(at)
		if left <= 0 || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		ts := unix.NsecToTimespec(left.Nanoseconds())
		_ = unix.Nanosleep(&ts, nil) // a signal ends it early: then once more
	}
}
