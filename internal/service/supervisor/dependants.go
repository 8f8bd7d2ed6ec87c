package supervisor

import (
	"fmt"
	"slices"
	"time"

	"lodge/internal/service"
)

// A service that has failed, or ended well, is started again when a file that it
// watches changes: most likely that is the repair. What failed only because it
// needs that service is started once the service is ready.

// mendable reports whether a changed file starts a service in this state.
func mendable(s service.State) bool { return s == service.Failed || s == service.Exited }

// mended starts the service for changed files.
func (r *runner) mended(files []string) {
	if r.giveUp.Load() {
		return // a stop is on its way
	}
	if ok, reason := r.breaker.Allow(time.Now(), files); !ok {
		r.say("not started: " + reason)
		return
	}
	r.say("started: " + changedText(files))
	r.startNow()
}

// startNow asks for a start from a loop, which may not wait: where commands wait
// already, one of them starts the service or stops it.
func (r *runner) startNow() {
	r.expect()
	select {
	case r.cmds <- command{ask: askStart}:
	default:
		r.taken()
	}
}

// startLacking starts what failed because it needs this service, which has just
// become ready.
func (r *runner) startLacking() {
	r.sup.mu.Lock()
	var others []*runner
	for _, o := range r.sup.runners {
		if o != r {
			others = append(others, o)
		}
	}
	r.sup.mu.Unlock()
	for _, o := range others {
		o.mu.Lock()
		lacks := o.st.State == service.Failed && o.lacks == r.name
		o.mu.Unlock()
		if lacks && !o.giveUp.Load() {
			o.say("started: " + r.name + ", which it needs, is ready")
			o.startNow()
		}
	}
}

// tellDependants restarts what runs and was told another port of this service,
// which has just become ready, than it has now.
func (r *runner) tellDependants() {
	now, err := r.sup.peerOf(r.name)
	if err != nil {
		return
	}
	r.sup.mu.Lock()
	var others []*runner
	for _, o := range r.sup.runners {
		if o != r {
			others = append(others, o)
		}
	}
	for _, e := range r.sup.endpointsOf(r.name) {
		others = slices.DeleteFunc(others, func(o *runner) bool { return o.wasTold(r.name, e.Port) })
	}
	r.sup.mu.Unlock()
	for _, o := range others {
		o.mu.Lock()
		was, told := o.peers[r.name]
		runs := o.st.State == service.Up || o.st.State == service.Starting
		o.mu.Unlock()
		if !told || !runs || was.port == now.port || !slices.Contains(o.needs(), r.name) {
			continue
		}
		o.restartFor(fmt.Sprintf("%s listens on port %d now, not %d", r.name, now.port, was.port))
	}
}

// restartFor asks for a restart from another runner's loop, which may not wait:
// where commands wait already, one of them starts the service anew or stops it.
func (r *runner) restartFor(why string) {
	r.expect()
	select {
	case r.cmds <- command{ask: askRestart, why: why}:
	default:
		r.taken()
	}
}

// ended notes that the service has ended by itself, and is not started again.
func (r *runner) ended(x service.ExitStatus, how string, p *process) {
	if x.Code == 0 {
		r.say("ended with status 0")
		r.change(func(st *service.Status) { st.State, st.PID, st.Reason = service.Exited, 0, "ended with status 0" })
		r.sup.notify()
		return
	}
	r.fail(r.failure("ended with "+how, p))
}
