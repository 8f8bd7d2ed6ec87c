package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// askKeeper bounds how long a list waits for one keeper that runs: more than one
// needs on a machine that has many times more to do than it can. A keeper that
// is stopped is known sooner.
const askKeeper = 5 * time.Second

// states returns every open project as its keeper has it now. The keepers are
// asked at the same time, and one that does not answer delays the others by no
// more than askKeeper: what it told last is returned, with the reason.
func (d *follower) states(ctx context.Context) []localapi.Project {
	all := d.all()
	out := make([]localapi.Project, len(all))
	var asked sync.WaitGroup
	for i, p := range all {
		asked.Go(func() { out[i] = d.stateNow(ctx, p) })
	}
	asked.Wait()
	return out
}

func (d *follower) stateNow(ctx context.Context, p *project) localapi.Project {
	st := p.state()
	short, cancel := context.WithTimeout(ctx, askKeeper)
	defer cancel()
	k, err := p.client().Status(short)
	switch {
	case err == nil:
		d.heard(p, k) // what is listed is what names lead to
		st = localapi.FromKeeper(k, st.Socket, st.LogDir)
	case ctx.Err() == nil && st.Unresponsive == "":
		st.Unresponsive, st.UnresponsiveHint = unresponsive(p, err)
	}
	d.address(&st)
	return st
}

// unresponsive reports why a keeper did not tell its state, or "" where it ends
// just now.
func unresponsive(p *project, err error) (reason, hint string) {
	if errors.Is(err, keeperapi.ErrGone) {
		return "", ""
	}
	var why *stall.Error
	if !errors.As(err, &why) {
		h, ok := stall.Look(p.rec.PID)
		if !ok {
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Sprintf("its keeper (process %d) did not answer within %v", p.rec.PID, askKeeper), ""
			}
			return fmt.Sprintf("its keeper (process %d) cannot be reached: %s", p.rec.PID, unreachable(err)), "end the project: lodge down --project " + p.rec.Config.ID
		}
		why = &stall.Error{Halt: h}
	}
	return fmt.Sprintf("its keeper (process %d) is %s", why.PID, why.Reason()), why.Hint()
}
