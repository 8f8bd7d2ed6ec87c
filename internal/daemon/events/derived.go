package events

import (
	"lodge/internal/event"
	"lodge/internal/service"
)

// differences are the events that lead from some states of services to others.
func differences(old, now []service.Status) []event.Event {
	before := make(map[string]*service.Status)
	for i := range old {
		before[old[i].Name] = &old[i]
	}
	var out []event.Event
	for i := range now {
		st := &now[i]
		was := before[st.Name]
		if was == nil {
			was = &service.Status{}
		}
		delete(before, st.Name)
		if was.State != st.State || was.PID != st.PID || was.Reason != st.Reason {
			out = append(out, derived(st, string(was.State), string(st.State)))
		}
	}
	for i := range old { // in their order
		if st := before[old[i].Name]; st != nil {
			gone := *st
			gone.PID = 0
			out = append(out, derived(&gone, string(st.State), event.Removed))
		}
	}
	return out
}

func derived(st *service.Status, from, to string) event.Event {
	return event.Event{Kind: event.KindService, Subject: event.Subject{Service: st.Name}, Service: &event.Service{
		Change: event.ChangeState, From: from, To: to, Type: st.Kind, PID: st.PID, ExitStatus: st.Exit, Signal: st.Signal,
		Reason: st.Reason, Restarts: st.Restarts, ReadyMS: st.ReadyMS,
	}}
}
