// Package webports finds out which ports of services speak HTTP, and to which of its
// ports the name of a service leads. It asks servers on this machine; whose they are,
// and what is made of the answers, is the caller's.
package webports

import (
	"context"
	"slices"
	"sync"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

// Ports knows which ports of services speak HTTP, and to which of its ports a
// service's name leads. A port is asked once while it is listened on, when
// that is to be known: no server is asked before.
//
// A name leads to the first port, in the order of [names.WebPorts], that speaks
// HTTP. That is chosen when the name is first asked for, and kept until the
// service is started anew: while nothing listens there, requests wait, and no
// other server answers for it. Two things change it. A port that comes before
// it and opens in the first minute of the service takes its place, so that it
// does not matter which one opens first. And where the service never had another
// port beside it, the next one that it opens does.
type Ports struct {
	ctx   context.Context
	asked sync.WaitGroup // of questions under way

	mu    sync.Mutex       // guards what follows
	lives map[string]*life // by project and service
}

const (
	unasked verdict = iota
	speaksHTTP
	speaksHTTPS // HTTP over TLS
	speaksOther
	// closes is for a server that closes the connection without a word. It may
	// have been about to end, so it is not believed for long.
	closes
	// silent is for a server that does not answer. One that compiles its first
	// page keeps silent for long, so it is no sign of another protocol, except
	// where [names.SilenceTells].
	silent
	refuses
)

const (
	// youth is how long after its start a service may open a port that takes the
	// place of another.
	youth = time.Minute
	// closesFor and refusesFor are how long such a verdict holds. That of a server
	// that is silent, and was not chosen, holds as long as that of one that closes.
	closesFor  = 10 * time.Second
	refusesFor = time.Second
)

// New returns one whose questions end with ctx.
func New(ctx context.Context) *Ports {
	return &Ports{ctx: ctx, lives: make(map[string]*life)}
}

// Wait returns when no question is under way.
func (s *Ports) Wait() { s.asked.Wait() }

// Kind is what is known of where a service's name leads.
type Kind int

const (
	None    Kind = iota // it speaks no HTTP
	Unknown             // its ports have to be asked
	At                  // to a port on which it listens
	Away                // to a port on which nothing listens at the moment
)

// Target is where a name leads.
type Target struct {
	Kind Kind
	Port uint16 // for [At] and [Away]
	TLS  bool   // HTTP over TLS
}

// Of returns where the name of a service leads, as far as that is known. It
// takes note of the ports that the service has now, and asks none of them.
func (s *Ports) Of(project string, st *service.Status) Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life(project, st)
	switch {
	case st.NoHTTP || st.HTTPSocket != "":
		return Target{}
	case st.HTTP != 0 && l.ports[st.HTTP] != nil:
		return Target{Kind: At, Port: st.HTTP, TLS: l.ports[st.HTTP].verdict == speaksHTTPS}
	case st.HTTP != 0 && l.seen[st.HTTP]:
		return Target{Kind: Away, Port: st.HTTP}
	case st.HTTP != 0:
		return Target{}
	}
	list := names.WebPorts(st)
	if at := slices.IndexFunc(l.chosen, func(p uint16) bool { return l.ports[p] != nil }); at >= 0 {
		l.several = l.several || len(list) > 1
		return l.keep(l.chosen[at], list)
	}
	if len(l.chosen) > 0 && (l.several || len(list) == 0) {
		return Target{Kind: Away, Port: l.chosen[0]}
	}
	return l.choose(st, list)
}

// OfPort returns where a name of one port leads.
func (s *Ports) OfPort(project string, st *service.Status, port uint16) Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life(project, st)
	q := l.ports[port]
	switch {
	case q == nil:
		return Target{Kind: Away, Port: port}
	case st.HTTP == port:
		return l.at(port)
	case st.NoHTTP || service.SchemeOfPort(port) != "":
		return Target{}
	}
	if all := names.TCPPorts(st); len(all) == 1 && len(names.WebPorts(st)) == 0 {
		return Target{} // its program is known
	}
	switch q.verdict {
	case unasked:
		return Target{Kind: Unknown}
	case speaksOther, closes:
		return Target{}
	}
	return l.at(port)
}

// Gone lists the ports on which a service listened in this life and does not now.
func (s *Ports) Gone(project string, st *service.Status) []uint16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life(project, st)
	var out []uint16
	for p := range l.seen {
		if l.ports[p] == nil && !service.Ephemeral(p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// life returns what is known of a service, in accordance with the ports that
// it has now. The caller holds mu.
func (s *Ports) life(project string, st *service.Status) *life {
	key := project + "/" + st.Name
	var started time.Time
	if st.StartedAt != nil {
		started = *st.StartedAt
	}
	l := s.lives[key]
	if l == nil || !l.started.Equal(started) || l.restarts != st.Restarts {
		old := l
		l = &life{started: started, restarts: st.Restarts, ports: make(map[uint16]*port), seen: make(map[uint16]bool), spoke: make(map[uint16]bool)}
		if old != nil {
			for p := range old.ports {
				old.leave(p)
			}
			l.spoke = old.spoke
		}
		s.lives[key] = l
	}
	now := time.Now()
	has := make(map[uint16]uint32)
	for _, e := range st.Endpoints {
		if _, known := has[e.Port]; e.Protocol == loopback.TCP && !known {
			has[e.Port] = e.Inode
		}
	}
	for p, inode := range has {
		q := l.ports[p]
		if q == nil || q.inode != inode {
			l.leave(p)
			q = &port{inode: inode, opened: now, spoke: l.spoke[p]}
			l.ports[p] = q
		}
		switch old := now.Sub(q.judged); {
		case (q.verdict == closes || q.verdict == silent) && old > closesFor && len(l.chosen) == 0, q.verdict == refuses && old > refusesFor:
			q.verdict = unasked
		}
		l.seen[p] = true
	}
	for p := range l.ports {
		if _, ok := has[p]; !ok {
			l.leave(p)
			delete(l.ports, p)
		}
	}
	return l
}

// Prune forgets services that are not in the table any more.
func (s *Ports) Prune(there map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.lives {
		if !there[key] {
			delete(s.lives, key)
		}
	}
}

// Only returns the one of the services of a project that is known to speak
// HTTP, or nil where there are several or none, or one was not asked yet.
func (s *Ports) Only(project string, list []*service.Status) *service.Status {
	var found *service.Status
	for _, st := range list {
		if len(names.TCPPorts(st)) == 0 {
			continue
		}
		switch s.Of(project, st).Kind {
		case Unknown:
			return nil
		case At, Away:
			if found != nil {
				return nil
			}
			found = st
		}
	}
	return found
}

// Could returns the services that are not known to speak something else.
func (s *Ports) Could(project string, list []*service.Status) []*service.Status {
	var out []*service.Status
	for _, st := range list {
		if len(names.TCPPorts(st)) == 0 || s.Of(project, st).Kind != None {
			out = append(out, st)
		}
	}
	return out
}
