package supervisor

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// condition is whether a service is ready, and whether what was ready still is.
type condition struct {
	tenant
	// lapsed tells the loop that the service is not ready any more.
	lapsed chan struct{}
}

// lapses reports whether the service is ready because it listens.
func (r *condition) lapses() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st.State == service.Up && r.listened
}

// lost reports whether the service is ready because it listened, and listens
// nowhere of late. The caller holds sup.mu.
func (r *condition) lost(eps []loopback.Endpoint) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.lease != nil && r.lease.Listener != nil
	return r.st.State == service.Up && r.listened && !own && len(r.proving(r.spec, eps)) == 0
}

// lapse makes a service that was ready starting again. The caller holds sup.mu.
func (r *condition) lapse() {
	ports := portsText(r.sup.had[r.name])
	r.mu.Lock()
	r.lapseReason = "it listened" + ports + ", and listens nowhere now"
	r.transition(func(st *service.Status) { st.State, st.Reason = service.Starting, r.lapseReason })
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
func (r *condition) becomeReady(p *process, listened bool, since time.Time) bool {
	r.sup.mu.Lock()
	defer r.sup.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.lease != nil && r.lease.Listener != nil
	if listened && !own && len(r.proving(r.spec, r.sup.endpoints)) == 0 {
		return false
	}
	r.transition(func(st *service.Status) {
		if st.Reason == r.lapseReason {
			st.Reason = ""
		}
		st.State, st.Failing = service.Up, ""
		if !p.wasReady || st.ReadyMS == 0 {
			st.ReadyMS = float64(since.Sub(p.started).Microseconds()) / 1000
		}
	})
	r.listened, r.overdue = listened, false
	r.isServer = r.isServer || listened
	r.sup.broadcast()
	return true
}

// setOverdue ends the waiting of those that wait until the service is ready
// again.
func (r *condition) setOverdue() {
	r.mu.Lock()
	r.overdue = true
	r.mu.Unlock()
	r.sup.notify()
}

// newLife forgets what was noted of the life before.
func (r *condition) newLife() {
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
func (r *condition) stuck() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.asked > 0:
		return ""
	case r.st.State == service.Starting && r.overdue:
		return "was ready and is not any more: " + r.st.Reason
	case r.st.State == service.Waiting && r.blocked != nil:
		return "waits: " + r.blocked.Cause
	}
	return ""
}

// block notes why the service that it waits for is stuck, or that it is not any
// more, where why is "". It goes on waiting, and those that wait for it are told.
func (r *condition) block(need, why string) {
	var e *service.Error
	if why != "" {
		e = &service.Error{Service: r.name, Cause: fmt.Sprintf("it needs %s, which %s", need, why), Hint: hintNeeds}
	}
	r.mu.Lock()
	first := r.blocked == nil && e != nil
	r.blocked = e
	r.mu.Unlock()
	if first {
		r.sup.notify()
	}
}

// settled reports whether the service has come to rest after what was asked:
// ready or ended well (nil), or failed (why).
func (r *condition) settled() (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.dead {
		return true, &service.Error{Service: r.name, Cause: "it was removed, or the project is going down"}
	}
	if r.asked > 0 {
		return false, nil
	}
	switch r.st.State {
	case service.Up, service.Exited, service.Idle:
		return true, nil
	case service.Failed:
		if r.err != nil {
			return true, r.err
		}
		return true, &service.Error{Service: r.name, Cause: r.st.Reason}
	case service.Stopped:
		return true, &service.Error{Service: r.name, Cause: "stopped meanwhile"}
	case service.Starting:
		return r.overdue, nil
	case service.Waiting:
		if r.blocked != nil {
			return true, r.blocked
		}
	}
	return false, nil
}

// redefine takes another definition and reports whether a running service must be
// restarted for it. The environment of the terminal counts only for
// the next start: it differs from terminal to terminal.
func (r *condition) redefine(sp service.Spec, env []string) (restart bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := reflect.DeepEqual(r.spec, sp)
	r.spec, r.env = sp, env
	r.isServer = r.isServer && same
	r.st.Command, r.st.Dir = sp.Command, sp.Dir
	return !same && (r.st.State == service.Up || r.st.State == service.Starting || r.st.State == service.Backoff)
}
