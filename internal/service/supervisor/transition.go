package supervisor

import (
	"cmp"
	"slices"

	"lodge/internal/event"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

// maxTransitions is how many of the newest transitions are kept for a reader that
// comes back.
const maxTransitions = 4096

// streamLetters is how long the random name of a stream is: 60 bits.
const streamLetters = 12

// Events returns the stream of transitions: every change of a state, process or
// reason of a service or listed command, and of where it listens, in the order in
// which they happened.
func (s *roster) Events() *event.Bus { return s.events }

// transition is the only way to change a runner's status: it publishes what
// changed before anything else can change it again. The caller holds mu; r.change
// takes it. A test holds that no other file assigns to a state.
func (r *record) transition(f func(st *service.Status)) {
	old := r.st
	f(&r.st)
	r.sup.tell(&old, &r.st, r.listens)
}

// change is transition; it takes mu.
func (r *record) change(f func(st *service.Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.transition(f)
}

// created publishes that a service is defined now, removed that it is not any
// more.
func (r *record) created() { r.sup.tell(&service.Status{}, &r.st, nil) }

func (r *record) removed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	gone := r.st
	gone.State, gone.PID, gone.Reason = event.Removed, 0, ""
	r.sup.tell(&r.st, &gone, nil)
}

// moved publishes where a service listens now, if that has changed.
func (r *record) moved(eps []event.Endpoint) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Equal(r.listens, eps) {
		return
	}
	r.listens = eps
	r.sup.tellEndpoints(&r.st, eps)
}

// transition is the same for a command that was started by hand. The caller
// holds sup.mu.
func (r *Run) transition(f func(st *service.Status)) {
	old := r.status
	f(&r.status)
	switch {
	case !r.shows():
	case !r.told: // it shows from now on
		r.told = true
		r.sup.tell(&service.Status{}, &r.status, r.listens)
	default:
		r.sup.tell(&old, &r.status, r.listens)
	}
}

// over publishes that nothing of the command is left. The caller holds sup.mu.
func (r *Run) over() {
	if !r.listed && !r.told {
		return // it never showed
	}
	r.transition(func(st *service.Status) {
		st.Ended(r.result)
		st.State, st.PID, st.Reason = service.Exited, 0, "ended with "+r.result.String()
		if r.result.Code != 0 {
			st.State = service.Failed
		}
	})
}

// moved is the same for a command. The caller holds sup.mu.
func (r *Run) moved(eps []event.Endpoint) {
	if slices.Equal(r.listens, eps) {
		return
	}
	r.listens = eps
	if r.told {
		r.sup.tellEndpoints(&r.status, eps)
	}
}

// tell publishes a transition, if what a reader of the status sees has changed.
// How a process ended is told with the state that follows from it.
func (s *roster) tell(old, now *service.Status, eps []event.Endpoint) {
	if old.State == now.State && old.PID == now.PID && old.Reason == now.Reason {
		return
	}
	s.publish(now, &event.Service{Change: event.ChangeState, From: string(old.State), To: string(now.State), Endpoints: eps})
}

func (s *roster) tellEndpoints(st *service.Status, eps []event.Endpoint) {
	s.publish(st, &event.Service{Change: event.ChangeEndpoints, From: string(st.State), To: string(st.State), Endpoints: eps})
}

func (s *roster) publish(st *service.Status, p *event.Service) {
	p.Type, p.PID, p.ExitStatus, p.Signal, p.Reason = st.Kind, st.PID, st.Exit, st.Signal, st.Reason
	p.Restarts, p.ReadyMS = st.Restarts, st.ReadyMS
	s.events.Publish(event.Event{
		Kind:    event.KindService,
		Source:  event.Source{Name: event.SourceKeeper, ProjectID: s.spec.ID},
		Subject: event.Subject{ProjectID: s.spec.ID, Project: s.name, Service: st.Name},
		Service: p,
	})
}

// tellMoved publishes where the services and commands listen now. The caller
// holds mu.
func (s *roster) tellMoved(eps []loopback.Endpoint) {
	now := make(map[string][]event.Endpoint)
	for _, e := range eps {
		if e.Service != "" {
			now[e.Service] = append(now[e.Service], event.Endpoint{Protocol: string(e.Protocol), IP: e.IP.String(), Port: e.Port, RealPort: e.RealPort})
		}
	}
	for _, list := range now { // the kernel's order is none
		slices.SortFunc(list, func(a, b event.Endpoint) int {
			return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.IP, b.IP), cmp.Compare(a.RealPort, b.RealPort))
		})
	}
	for n, r := range s.runners {
		r.moved(now[n])
	}
	for n, r := range s.runs {
		r.moved(now[n])
	}
}
