package service

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"lodge/internal/loopback"
)

// lapses reports whether the service is ready because it listens.
func (r *runner) lapses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st.State == Up && r.listened
}

// lost reports whether the service is ready because it listened, and listens
// nowhere of late. The caller holds sup.mu.
func (r *runner) lost(eps []loopback.Endpoint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.lease != nil && r.lease.listener != nil
	return r.st.State == Up && r.listened && !own && len(r.proving(r.spec, eps)) == 0
}

// lapse makes a service that was ready starting again. The caller holds sup.mu.
func (r *runner) lapse() {
	ports := portsText(r.sup.had[r.name])
	r.mu.Lock()
	r.lapseReason = "it listened" + ports + ", and listens nowhere now"
	r.transition(func(st *Status) { st.State, st.Reason = Starting, r.lapseReason })
	r.mu.Unlock()
	select {
	case r.lapsed <- struct{}{}:
	default:
	}
}

func portsText(ports []uint16) string {
	switch len(ports) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" on port %d", ports[0])
	}
	ports = slices.Sorted(slices.Values(ports))
	var out []string
	for _, p := range ports {
		out = append(out, fmt.Sprint(p))
	}
	return " on ports " + strings.Join(out, ", ")
}

// becomeReady makes a starting service ready, unless it is ready because it
// listens and does not any more. since is when it came to be ready, for the
// first time.
func (r *runner) becomeReady(p *process, listened bool, since time.Time) bool {
	r.sup.mu.Lock()
	defer r.sup.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.lease != nil && r.lease.listener != nil
	if listened && !own && len(r.proving(r.spec, r.sup.endpoints)) == 0 {
		return false
	}
	r.transition(func(st *Status) {
		if st.Reason == r.lapseReason {
			st.Reason = ""
		}
		st.State, st.Failing = Up, ""
		if !p.wasReady || st.ReadyMS == 0 {
			st.ReadyMS = float64(since.Sub(p.started).Microseconds()) / 1000
		}
	})
	r.listened, r.overdue = listened, false
	r.isServer = r.isServer || listened
	r.sup.broadcast()
	return true
}

// setOverdue ends the waiting of those who wait until the service is ready
// again.
func (r *runner) setOverdue() {
	r.mu.Lock()
	r.overdue = true
	r.mu.Unlock()
	r.sup.notify()
}

// newLife forgets what was noted of the life before.
func (r *runner) newLife() {
	r.mu.Lock()
	r.listened, r.overdue, r.lapseReason = false, false, ""
	r.mu.Unlock()
	select {
	case <-r.lapsed:
	default:
	}
}

// stuck reports why what needs the service cannot start although the service has
// not failed: it is overdue, or waits for one that is. It is "" otherwise.
func (r *runner) stuck() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.asked > 0:
		return ""
	case r.st.State == Starting && r.overdue:
		return "was ready and is not any more: " + r.st.Reason
	case r.st.State == Waiting && r.blocked != nil:
		return "waits: " + r.blocked.Cause
	}
	return ""
}

// block notes why the service that it waits for is stuck, or that it is not any
// more, where why is "". It goes on waiting, and those who wait for it are told.
func (r *runner) block(need, why string) {
	var e *Error
	if why != "" {
		e = &Error{Service: r.name, Cause: fmt.Sprintf("it needs %s, which %s", need, why), Hint: hintNeeds}
	}
	r.mu.Lock()
	first := r.blocked == nil && e != nil
	r.blocked = e
	r.mu.Unlock()
	if first {
		r.sup.notify()
	}
}
