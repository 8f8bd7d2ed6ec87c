package keeperapi

import (
	"context"
	"errors"
	"strings"

	"lodge/internal/event"
)

// OpEvents is the operation that streams the transitions of the services.
const OpEvents = "events"

// ErrNoEvents says that the keeper is one of an older lodge, which tells whole
// states and no transitions.
var ErrNoEvents = errors.New("the keeper tells no events")

// Events hands the transitions of the project's services to each, in batches: those
// after a place in the keeper's own stream, and then each that happens, until the
// keeper ends (ErrGone) or ctx does. A keeper that ends tells all that happened
// before. Number 0 is the oldest that is kept.
func (c Client) Events(ctx context.Context, after event.Position, each func([]event.Event) error) error {
	err := c.Call(ctx, Request{Op: OpEvents, After: &after}, func(r Reply) error {
		if len(r.Events) > 0 {
			return each(r.Events)
		}
		return nil
	})
	var e *Error
	if errors.As(err, &e) && unknownOp(e, OpEvents) {
		return ErrNoEvents
	}
	return err
}

// unknownOp reports whether an error is a keeper's answer to an operation that its
// version does not have: the words have been the same since the first version.
func unknownOp(e *Error, op string) bool {
	return strings.HasPrefix(e.Message, `ask keeper: it does not know "`+op+`"`)
}
