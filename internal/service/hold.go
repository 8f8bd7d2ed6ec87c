package service

import "time"

// holder is an engine that can keep a service's listening sockets open while
// the service is exchanged, so that connections wait instead of being refused.
type holder interface {
	Hold(service string) (n int, err error)
	// Unhold ends that for a service that is ready, LetGo for one that will not
	// accept: what waits is refused at once.
	Unhold(service string)
	LetGo(service string)
}

// heldMost is how long connections wait for a service that was restarted to
// listen. Who waits longer does not know whether anything will ever answer.
const heldMost = 5 * time.Second

// exchange ends the old life for a new one, keeping its listening sockets
// open where the engine can.
func (r *runner) exchange(p *process, why string) {
	r.note(p, "restarted: "+why)
	if h, ok := r.sup.inside.(holder); ok && !r.leased() {
		n, err := h.Hold(r.name)
		r.held = r.held || n > 0 // what an earlier restart kept may still wait to be taken
		if err != nil {
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
func (r *runner) heldFor() <-chan time.Time {
	if !r.held {
		return nil
	}
	return time.After(heldMost)
}

func (r *runner) unhold() {
	if h, ok := r.sup.inside.(holder); ok && r.held {
		h.Unhold(r.name)
		r.held = false
	}
}

// letGo is unhold where nothing will accept what waits.
func (r *runner) letGo() {
	if h, ok := r.sup.inside.(holder); ok && r.held {
		h.LetGo(r.name)
		r.held = false
	}
}
