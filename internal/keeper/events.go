package keeper

import (
	"context"
	"time"

	"lodge/internal/event"
	"lodge/internal/keeperapi"
)

// lastWords is how long a client may take to read what happened last when this
// keeper ends, or when the client hangs up.
const lastWords = 5 * time.Second

// events tells the transitions of the services, each as it happens. When the keeper
// ends, ctx does; what happened until then is still told.
func (k *keeper) events(ctx context.Context, w *keeperapi.Wire, req keeperapi.Request) error {
	var after event.Position
	if req.After != nil {
		after = *req.After
	}
	// A client that does not read must not keep this process from its end.
	defer context.AfterFunc(ctx, func() { _ = w.Conn.SetWriteDeadline(time.Now().Add(lastWords)) })()
	s := k.sup.Events().Subscribe(after)
	for {
		list, err := s.Next(ctx)
		if err != nil {
			break
		}
		if err := w.Write(keeperapi.Reply{Events: list}); err != nil {
			return err
		}
	}
	for {
		list := s.Pending()
		if len(list) == 0 {
			return ctx.Err()
		}
		if err := w.Write(keeperapi.Reply{Events: list}); err != nil {
			return err
		}
	}
}
