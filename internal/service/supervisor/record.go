package supervisor

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"lodge/internal/event"
	"lodge/internal/service"
	"lodge/internal/service/lease"
)

// record is what is known of a service, for its own loop and for others.
type record struct {
	sup  *Supervisor
	name string
	// rests says that it is Idle, and not Stopped, while it does not run.
	rests atomic.Bool

	// mu guards what follows; it is a leaf: nothing else is locked under it but the
	// bus of transitions.
	mu   sync.Mutex
	spec service.Spec
	env  []string
	st   service.Status // changed by transition alone
	err  *service.Error
	// asked counts the commands that the loop has not taken yet, so that a
	// state from before a command is not taken for its outcome.
	asked int
	dead  bool // the loop takes nothing any more
	lease *lease.Lease
	// listened: it is ready because it listened. overdue: it was ready, and has
	// not been again in time. blocked is set while it waits for such a service.
	listened, overdue bool
	lapseReason       string
	isServer          bool // a process of this definition has listened
	blocked           *service.Error
	lacks             string            // it failed as this service, which it needs, had failed
	warnings          map[string]string // by kind
	peers             map[string]peer   // where what it needs was at its start
	listens           []event.Endpoint  // where it listens, as was told last
}

func (r *record) needs() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spec.Needs
}

func (r *record) definition() (service.Spec, []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spec, r.env
}

func (r *record) status() service.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.st
	st.Warnings = r.warned()
	st.HTTP, st.HTTPSocket, st.Needs, st.Naming = r.spec.HTTP, r.spec.HTTPSocket, r.spec.Needs, r.spec.Naming
	st.KeyLog = r.spec.KeyLog
	if r.lease != nil {
		st.Port = r.lease.Port
	} else {
		st.Port = r.spec.Port
	}
	return st
}

func (r *record) set(f func(st *service.Status)) {
	r.change(f)
	r.sup.notify()
}

func (r *record) fail(e *service.Error) {
	r.mu.Lock()
	r.transition(func(st *service.Status) { st.State, st.Reason, st.PID = service.Failed, e.Cause, 0 })
	r.err = e
	r.mu.Unlock()
	r.say("failed: " + e.Cause)
	r.sup.notify()
}

// atRest is the state of a service that does not run and was not asked to.
func (r *record) atRest() service.State {
	if r.rests.Load() {
		return service.Idle
	}
	return service.Stopped
}

// arm lets the first request start the service, if it does not run.
func (r *record) arm() {
	r.rests.Store(true)
	r.set(func(st *service.Status) {
		if st.State == service.Stopped || st.State == service.Failed || st.State == service.Exited {
			st.State, st.Reason, st.PID = service.Idle, "", 0
		}
	})
}

// expect counts a command that will be sent: from now on the state of before
// is not taken for its outcome.
func (r *record) expect() {
	r.mu.Lock()
	r.asked++
	r.mu.Unlock()
}

// taken notes that the loop has taken a command up; call it once its first
// effect on the state is made.
func (r *record) taken() {
	r.mu.Lock()
	r.asked--
	r.mu.Unlock()
	r.sup.notify()
}

func (r *record) setLacks(need string) {
	r.mu.Lock()
	r.lacks = need
	r.mu.Unlock()
}

// The kinds of warnings of a service; of each there is one at a time.
const (
	warnWatch = "watch"
	warnLinks = "watch: links"
)

// warn sets the warning of a kind; "" takes it back.
func (r *record) warn(kind, text string) {
	r.mu.Lock()
	same := r.warnings[kind] == text
	if text == "" {
		delete(r.warnings, kind)
	} else {
		if r.warnings == nil {
			r.warnings = make(map[string]string)
		}
		r.warnings[kind] = text
	}
	r.mu.Unlock()
	if !same {
		r.sup.notify()
	}
}

// warned returns the warnings in the order of their kinds; the caller holds r.mu.
func (r *record) warned() []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(r.warnings)) {
		out = append(out, r.warnings[kind])
	}
	return out
}

// note writes a line of lodge's own into the service's log.
func (r *record) note(p *process, text string) { p.out.Note("[lodge] " + text) }

// say is note where no process runs.
func (r *record) say(text string) {
	w := r.sup.logs.Writer(r.name)
	w.Note("[lodge] " + text)
	_ = w.Close() // logs.Store keeps and tells its own errors
}
