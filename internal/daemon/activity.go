package daemon

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// activity knows whether the daemon is needed: while a project is up, or a client asks
// for something, and for the time to linger after that.
type activity struct {
	linger  time.Duration
	nothing func() bool // no project is up

	calls atomic.Int64  // API calls under way
	poke  chan struct{} // has a token when something changed that may make it idle
}

func newActivity(linger time.Duration, nothing func() bool) *activity {
	return &activity{linger: linger, nothing: nothing, poke: make(chan struct{}, 1)}
}

// touch lets the time to linger begin anew.
func (a *activity) touch() {
	select {
	case a.poke <- struct{}{}:
	default:
	}
}

// count counts the calls to a handler.
func (a *activity) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.calls.Add(1)
		defer func() {
			a.calls.Add(-1)
			a.touch()
		}()
		h.ServeHTTP(w, r)
	})
}

// await returns true when no project has been up, and no client asked for anything, for
// the time to linger. It returns false when one of the contexts ends. Without a time to
// linger it returns false at once.
func (a *activity) await(run, own context.Context) bool {
	if a.linger <= 0 {
		return false
	}
	t := time.NewTimer(a.linger)
	defer t.Stop()
	for {
		select {
		case <-run.Done():
			return false
		case <-own.Done():
			return false
		case <-a.poke:
			t.Reset(a.linger)
		case <-t.C:
			if a.calls.Load() == 0 && a.nothing() {
				return true
			}
			t.Reset(a.linger)
		}
	}
}
