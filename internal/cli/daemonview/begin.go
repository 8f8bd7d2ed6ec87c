package daemonview

import (
	"context"

	"lodge/internal/cli/kit"
	"lodge/internal/sockets"
)

// Begin is [Open] for a command that reads the sockets while the daemon looks: it sends
// the daemon its questions, that for the owners of sockets too, and reads the answers
// later. What the view holds is valid after [View.Wait]. The caller closes the view.
func Begin(ctx context.Context, k *kit.Kit) *View {
	v := newView(k)
	if !v.own.runs() {
		v.Refresh(ctx)
		return v
	}
	short, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	v.own.failed = v.own.client.Begin(short)
	v.begun, v.asking = true, true
	return v
}

// Wait reads what Begin has asked for, if it is not read yet.
func (v *View) Wait(ctx context.Context) {
	if v.asking {
		v.asking = false
		v.Refresh(ctx)
	}
}

// Answers is Wait, for a query whose sockets are read. It makes View a [sockets.Asked].
func (v *View) Answers(ctx context.Context) sockets.Answers {
	v.Wait(ctx)
	a := sockets.Answers{Homes: v.Homes, Live: v.Live}
	if v.Live != nil {
		a.Owners, a.OwnersErr = v.Live.Owners(ctx)
	}
	return a
}
