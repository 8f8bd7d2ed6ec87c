package engines

import (
	"context"
	"sync"
	"time"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/stall"
)

// leftovers are the homes that a stopped helper could not remove, which are empty.
// They are removed when it answers again.
type leftovers struct {
	helper *helperconn.Conn

	mu      sync.Mutex // guards what follows; never held while the helper is asked
	cgroups []string
	// retry is when these are tried again, or nil.
	retry *time.Timer
}

func (l *leftovers) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.retry != nil {
		l.retry.Stop()
		l.retry = nil
	}
}

// add notes a home that is to be removed later.
func (l *leftovers) add(cgroup string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cgroups = append(l.cgroups, cgroup)
	l.later()
}

// remove removes the homes that could not be removed when they should have been.
func (l *leftovers) remove(ctx context.Context, c *helperapi.Client) {
	l.mu.Lock()
	left := l.cgroups
	l.cgroups = nil
	l.mu.Unlock()
	for i, path := range left {
		if err := c.RemoveHome(ctx, path, true); ctx.Err() != nil || stall.Is(err) {
			l.mu.Lock()
			l.cgroups = append(left[i:], l.cgroups...) // the next one tries
			l.mu.Unlock()
			return
		} // another error comes again when the home is made anew
	}
}

// later calls remove, now and then until nothing is left. The caller holds mu.
func (l *leftovers) later() {
	if l.retry == nil {
		l.retry = time.AfterFunc(helperconn.Retry, l.again)
	}
}

func (l *leftovers) again() {
	c := l.helper.Current()
	l.mu.Lock()
	if l.retry == nil {
		l.mu.Unlock()
		return // closed
	}
	l.retry = nil
	if c == nil {
		l.cgroups = nil // with its helper a home without processes goes too, when the next one is made
	}
	l.mu.Unlock()
	if c == nil {
		return
	}
	if _, stalled := stall.Look(c.Process()); !stalled {
		l.remove(context.Background(), c)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.cgroups) > 0 && l.helper.Current() != nil {
		l.later()
	}
}
