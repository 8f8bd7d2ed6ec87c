package service

import (
	"errors"
	"time"
)

// heldMost is how long connections wait for a service that was restarted to
// listen. Who waits longer does not know whether anything will ever answer.
const heldMost = 5 * time.Second

// exchange ends the old process for a new one, keeping its listening sockets
// open where the engine can.
func (r *lifetime) exchange(p *process, why string) {
	r.note(p, "restarted: "+why)
	if !r.leased() {
		n, err := r.sup.inside.Hold(r.name)
		r.held = r.held || n > 0 // what an earlier restart kept may still wait to be taken
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			r.note(p, "connections may be refused for a moment: "+err.Error())
		}
	}
	r.halt(p)
	r.set(func(st *Status) {
		st.State, st.PID, st.Reason, st.Failing = Starting, 0, why, ""
		st.Restarts++
	})
}

// heldFor returns the end of the time for which listening sockets are kept; nil
// where none are.
func (r *lifetime) heldFor() <-chan time.Time {
	if !r.held {
		return nil
	}
	return time.After(heldMost)
}

func (r *lifetime) unhold() {
	if r.held {
		r.sup.inside.Unhold(r.name)
		r.held = false
	}
}

// letGo is unhold where nothing will accept what waits.
func (r *lifetime) letGo() {
	if r.held {
		r.sup.inside.LetGo(r.name)
		r.held = false
	}
}
