package proxy

import (
	"context"
	"errors"
	"sync"
	"time"

	"lodge/internal/proxy/pages"
)

// awaitReady is decide for a service that is not ready: it waits until it is, until
// it is known not to become so, until the limit, or until gone is closed.
// choose is decide for a given table.
func (t *router) awaitReady(ctx context.Context, choose func(*snapshot) (*route, *pages.Page, bool), gone <-chan struct{}) (*route, *pages.Page) {
	ctx, cancel := context.WithTimeout(ctx, t.lim.HoldTime)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-gone:
			cancel()
		case <-ctx.Done():
		}
	})
	defer watch.Wait()
	defer cancel()
	started := false
	var enough <-chan time.Time // of waiting for one that fails
	for {
		s := t.snap.Load()
		r, p, wait := choose(s)
		if !wait {
			return r, p
		}
		if r.State == Unsettled {
			if err := t.cfg.Settle(ctx, r.ID); err != nil && ctx.Err() == nil {
				return nil, pages.NoAnswer(r.Service, err, t.tail(r.Service))
			}
			if t.snap.Load() != s {
				continue // the table says what was found out
			}
		}
		if r.State == Down {
			if started { // it did start, and has ended since
				return nil, pages.Down(r.Service, t.tail(r.Service))
			}
			started = true
			if err := t.cfg.Start(ctx, r.ID); err != nil {
				var several *SeveralError
				if errors.As(err, &several) {
					return nil, pages.Several(several.Error(), several.URLs)
				}
				p := pages.Down(r.Service, t.tail(r.Service))
				p.Cause = err.Error()
				return nil, p
			}
			// Start has returned: from here on the table says what there is to wait for.
			continue
		}
		if r.State == Failing && enough == nil {
			enough = time.After(t.lim.FailTime)
		}
		select {
		case <-s.changed:
		case <-enough:
			return nil, pages.Failing(r.Service, t.tail(r.Service))
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return nil, pages.Starting(r.Service, t.lim.HoldTime, t.tail(r.Service))
			}
			return nil, pages.Gone()
		}
	}
}
