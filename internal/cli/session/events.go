package session

import (
	"context"
	"errors"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/event"
	"lodge/internal/localapi"
)

// The pause before a daemon is asked again that ends each answer at once.
const (
	eventsRetry  = 50 * time.Millisecond
	eventsAtOnce = 200 * time.Millisecond
)

// FollowEvents hands events to each. When the daemon ends, the next one is asked for
// what came after the last event. begun is called each time that a daemon begins to
// answer; nil: it is not told.
func FollowEvents(ctx context.Context, k *kit.Kit, q localapi.EventsQuery, begun func(), each func([]byte, event.Event) error) error {
	for {
		c, err := Connect(ctx, k)
		if err != nil {
			return err
		}
		asked := time.Now()
		err = c.Events(ctx, q, func(at event.Position) {
			q.After = &at
			if begun != nil {
				begun()
			}
		}, func(line []byte, e event.Event) error {
			// It counts as read also where it is not printed.
			q.After = &event.Position{Stream: e.Stream, Number: e.Number}
			return each(line, e)
		})
		c.Close()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, localapi.ErrStreamEnded), localapi.NotRunning(err), hungUp(err):
		default:
			return err
		}
		if time.Since(asked) < eventsAtOnce {
			select {
			case <-time.After(eventsRetry):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}
