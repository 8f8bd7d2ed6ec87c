package service

import (
	"fmt"
	"slices"
)

// A service is told at its start where those that it needs listen. When one of
// these is started anew and listens elsewhere, what it was told is wrong, and it
// is restarted.

// notePeers keeps where the services that are needed were when the process was
// started.
func (r *runner) notePeers(sp Spec) {
	peers := make(map[string]peer)
	for _, n := range sp.Needs {
		if p, err := r.sup.peerOf(n); err == nil {
			peers[n] = p
		}
	}
	r.mu.Lock()
	r.peers = peers
	r.mu.Unlock()
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
		runs := o.st.State == Up || o.st.State == Starting
		o.mu.Unlock()
		if !told || !runs || was.port == now.port || !slices.Contains(o.needs(), r.name) {
			continue
		}
		o.restartFor(fmt.Sprintf("%s listens on port %d now, not %d", r.name, now.port, was.port))
	}
}

// wasTold reports whether the service was told this port of the one that it needs.
func (r *runner) wasTold(need string, port uint16) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.peers[need]
	return ok && p.port == port
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
