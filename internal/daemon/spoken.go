package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/service"
)

// spoken knows which ports of services speak HTTP, and to which of its ports a
// service's name leads. A port is asked once while it is listened on, when
// somebody wants to know: nobody's server is asked before.
//
// A name leads to the first port, in the order of [names.WebPorts], that speaks
// HTTP. That is chosen when the name is first asked for, and kept until the
// service is started anew: while nothing listens there, requests wait, and no
// other server answers for it. Two things change it. A port that comes before
// it and opens in the first minute of the service takes its place, so that it
// does not matter which one opens first. And where the service never had another
// port beside it, the next one that it opens does.
type spoken struct {
	ctx   context.Context
	asked sync.WaitGroup // of questions under way

	mu    sync.Mutex       // guards what follows
	lives map[string]*life // by project and service
}

// life is what is known of a service from one start to the next.
type life struct {
	started  time.Time
	restarts int
	ports    map[uint16]*spokenPort // on which it listens now
	seen     map[uint16]bool        // on which it listened in this life
	chosen   []uint16               // where its name leads: the first that is there, else it waits
	several  bool                   // there were others beside a chosen one
	// spoke are the ports that spoke HTTP before, in this life or an earlier one.
	spoke map[uint16]bool
}

// spokenPort is what is known of a port while it is listened on.
type spokenPort struct {
	inode   uint32
	opened  time.Time
	verdict verdict
	judged  time.Time
	spoke   bool          // it spoke HTTP before
	asking  chan struct{} // closed when the question under way is answered; nil: there is none
}

// verdict is what a port was found to speak.
type verdict int

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

// newSpoken returns one whose questions end with ctx.
func newSpoken(ctx context.Context) *spoken {
	return &spoken{ctx: ctx, lives: make(map[string]*life)}
}

// webKind is what is known of where a service's name leads.
type webKind int

const (
	webNone    webKind = iota // it speaks no HTTP
	webUnknown                // its ports have to be asked
	webAt                     // to a port on which it listens
	webAway                   // to a port on which nothing listens at the moment
)

// lead is where a name leads.
type lead struct {
	kind webKind
	port uint16 // for webAt and webAway
	tls  bool
}

// webOf returns where the name of a service leads, as far as that is known. It
// takes note of the ports that the service has now, and asks nobody.
func (s *spoken) webOf(project string, st *service.Status) lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life(project, st)
	switch {
	case st.NoHTTP || st.HTTPSocket != "":
		return lead{}
	case st.HTTP != 0 && l.ports[st.HTTP] != nil:
		return lead{kind: webAt, port: st.HTTP, tls: l.ports[st.HTTP].verdict == speaksHTTPS}
	case st.HTTP != 0 && l.seen[st.HTTP]:
		return lead{kind: webAway, port: st.HTTP}
	case st.HTTP != 0:
		return lead{}
	}
	list := names.WebPorts(st)
	if at := slices.IndexFunc(l.chosen, func(p uint16) bool { return l.ports[p] != nil }); at >= 0 {
		l.several = l.several || len(list) > 1
		return l.keep(l.chosen[at], list)
	}
	if len(l.chosen) > 0 && (l.several || len(list) == 0) {
		return lead{kind: webAway, port: l.chosen[0]}
	}
	return l.choose(st, list)
}

// keep returns the chosen port, or one that takes its place.
func (l *life) keep(chosen uint16, list []uint16) lead {
	for _, p := range list {
		q := l.ports[p]
		if p == chosen || q.opened.Sub(l.started) > youth {
			break
		}
		switch q.verdict {
		case unasked:
			return lead{kind: webUnknown}
		case speaksHTTP, speaksHTTPS:
			l.chosen = []uint16{p}
			return l.at(p)
		}
	}
	return l.at(chosen)
}

// choose chooses where the name leads, once enough is known.
func (l *life) choose(st *service.Status, list []uint16) lead {
	var perhaps uint16
	for _, p := range list {
		switch q := l.ports[p]; q.verdict {
		case unasked:
			return lead{kind: webUnknown}
		case speaksHTTP, speaksHTTPS:
			return l.take(p, list)
		case refuses:
			if len(list) == 1 {
				return l.at(p) // a request finds out for itself
			}
		case silent:
			if perhaps == 0 && (q.spoke || !names.SilenceTells(st, p)) {
				perhaps = p
			}
		}
	}
	if perhaps != 0 {
		return l.take(perhaps, list)
	}
	return lead{}
}

func (l *life) take(port uint16, list []uint16) lead {
	l.chosen = append(l.chosen, port)
	l.several = l.several || len(list) > 1
	return l.at(port)
}

func (l *life) at(port uint16) lead {
	return lead{kind: webAt, port: port, tls: l.ports[port].verdict == speaksHTTPS}
}

// portOf returns where a name of one port leads.
func (s *spoken) portOf(project string, st *service.Status, port uint16) lead {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.life(project, st)
	q := l.ports[port]
	switch {
	case q == nil:
		return lead{kind: webAway, port: port}
	case st.HTTP == port:
		return l.at(port)
	case st.NoHTTP || service.SchemeOfPort(port) != "":
		return lead{}
	}
	if all := names.TCPPorts(st); len(all) == 1 && len(names.WebPorts(st)) == 0 {
		return lead{} // its program is known
	}
	switch q.verdict {
	case unasked:
		return lead{kind: webUnknown}
	case speaksOther, closes:
		return lead{}
	}
	return l.at(port)
}

// seen lists the ports on which a service listened in this life and does not now.
func (s *spoken) away(project string, st *service.Status) []uint16 {
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
// it has now. Call it with mu held.
func (s *spoken) life(project string, st *service.Status) *life {
	key := project + "/" + st.Name
	var started time.Time
	if st.StartedAt != nil {
		started = *st.StartedAt
	}
	l := s.lives[key]
	if l == nil || !l.started.Equal(started) || l.restarts != st.Restarts {
		old := l
		l = &life{started: started, restarts: st.Restarts, ports: make(map[uint16]*spokenPort), seen: make(map[uint16]bool), spoke: make(map[uint16]bool)}
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
			q = &spokenPort{inode: inode, opened: now, spoke: l.spoke[p]}
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

// leave notes what a port spoke that is not listened on any more.
func (l *life) leave(port uint16) {
	if q := l.ports[port]; q != nil && (q.verdict == speaksHTTP || q.verdict == speaksHTTPS) {
		l.spoke[port] = true
	}
}

// prune forgets services that are not in the table any more.
func (s *spoken) prune(there map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.lives {
		if !there[key] {
			delete(s.lives, key)
		}
	}
}

// only returns the one of the services of a project that is known to speak
// HTTP, or nil where there are several or none, or one was not asked yet.
func (s *spoken) only(project string, list []*service.Status) *service.Status {
	var found *service.Status
	for _, st := range list {
		if len(names.TCPPorts(st)) == 0 {
			continue
		}
		switch s.webOf(project, st).kind {
		case webUnknown:
			return nil
		case webAt, webAway:
			if found != nil {
				return nil
			}
			found = st
		}
	}
	return found
}

// could returns the services that are not known to speak something else.
func (s *spoken) could(project string, list []*service.Status) []*service.Status {
	var out []*service.Status
	for _, st := range list {
		if len(names.TCPPorts(st)) == 0 || s.webOf(project, st).kind != webNone {
			out = append(out, st)
		}
	}
	return out
}

// ask asks those of the services that must be asked, all at once. The error is
// that ctx has ended.
func (s *spoken) ask(ctx context.Context, project string, list []*service.Status) error {
	var asked sync.WaitGroup
	for _, st := range list {
		asked.Go(func() { s.askService(ctx, project, st) })
	}
	asked.Wait()
	return ctx.Err()
}

// askService asks the ports of a service, from the likeliest on, until it is
// known where its name leads. While one keeps silent the next ones are asked as
// well, but what they answer counts only when that one is known not to speak
// HTTP, or has kept silent for too long.
func (s *spoken) askService(ctx context.Context, project string, st *service.Status) {
	if s.webOf(project, st).kind != webUnknown {
		return
	}
	list := names.WebPorts(st)
	patience := func(p uint16) time.Duration {
		if len(list) == 1 || names.SilenceTells(st, p) {
			return askGrace
		}
		return askPatience
	}
	var waiting []<-chan struct{}
	for _, p := range list {
		answered := s.question(project, st, p, patience(p), false)
		quiet := time.NewTimer(askGrace)
		select {
		case <-answered:
		case <-quiet.C:
			waiting = append(waiting, answered)
		case <-ctx.Done():
		}
		quiet.Stop()
		if ctx.Err() != nil || len(waiting) == 0 && s.webOf(project, st).kind != webUnknown {
			break
		}
	}
	for _, answered := range waiting {
		select {
		case <-answered:
		case <-ctx.Done():
			return
		}
	}
	if s.webOf(project, st).kind != webNone {
		return
	}
	for _, p := range list {
		if s.verdictOf(project, st, p) != closes {
			continue
		}
		select {
		case <-s.question(project, st, p, patience(p), true):
		case <-ctx.Done():
			return
		}
	}
}

// askPort asks one port of a service.
func (s *spoken) askPort(ctx context.Context, project string, st *service.Status, port uint16) {
	for _, further := range []bool{false, true} {
		if v := s.verdictOf(project, st, port); further && v != closes || !further && v != unasked {
			continue
		}
		select {
		case <-s.question(project, st, port, askGrace, further):
		case <-ctx.Done():
			return
		}
	}
}

func (s *spoken) verdictOf(project string, st *service.Status, port uint16) verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.life(project, st).ports[port]; q != nil {
		return q.verdict
	}
	return unasked
}

// question asks a port, unless that is known or under way, and returns a
// channel that is closed when there is an answer. further has one asked again
// that closed the connection: it may insist on HTTP/2 or on TLS.
func (s *spoken) question(project string, st *service.Status, port uint16, longest time.Duration, further bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.life(project, st).ports[port]
	switch {
	case q != nil && q.asking != nil:
		return q.asking
	case q == nil, !further && q.verdict != unasked:
		done := make(chan struct{})
		close(done)
		return done
	}
	done := make(chan struct{})
	q.asking = done
	at := names.EndpointsAt(st, port)[0].AddrPort()
	s.asked.Go(func() {
		var v verdict
		if further {
			v = askFurther(s.ctx, at)
		} else {
			v = askHTTP(s.ctx, at, longest)
		}
		s.mu.Lock()
		if v == closes && q.spoke {
			v = silent // it was about to end, or has not begun
		}
		if s.ctx.Err() == nil {
			q.verdict, q.judged = v, time.Now()
		}
		q.asking = nil
		s.mu.Unlock()
		close(done)
	})
	return done
}
