package webports

import (
	"time"

	"lodge/internal/names"
	"lodge/internal/service"
)

// life is what is known of a service from one start to the next.
type life struct {
	started  time.Time
	restarts int
	ports    map[uint16]*port // on which it listens now
	seen     map[uint16]bool  // on which it listened in this life
	chosen   []uint16         // where its name leads: the first that is there, else it waits
	several  bool             // there were others beside a chosen one
	// spoke are the ports that spoke HTTP before, in this life or an earlier one.
	spoke map[uint16]bool
}

// port is what is known of a port while it is listened on.
type port struct {
	inode   uint32
	opened  time.Time
	verdict verdict
	judged  time.Time
	spoke   bool          // it spoke HTTP before
	asking  chan struct{} // closed when the question under way is answered; nil: there is none
}

// verdict is what a port was found to speak.
type verdict int

// keep returns the chosen port, or one that takes its place.
func (l *life) keep(chosen uint16, list []uint16) Target {
	for _, p := range list {
		q := l.ports[p]
		if p == chosen || q.opened.Sub(l.started) > youth {
			break
		}
		switch q.verdict {
		case unasked:
			return Target{Kind: Unknown}
		case speaksHTTP, speaksHTTPS:
			l.chosen = []uint16{p}
			return l.at(p)
		}
	}
	return l.at(chosen)
}

// choose chooses where the name leads, once enough is known.
func (l *life) choose(st *service.Status, list []uint16) Target {
	var perhaps uint16
	for _, p := range list {
		switch q := l.ports[p]; q.verdict {
		case unasked:
			return Target{Kind: Unknown}
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
	return Target{}
}

func (l *life) take(port uint16, list []uint16) Target {
	l.chosen = append(l.chosen, port)
	l.several = l.several || len(list) > 1
	return l.at(port)
}

func (l *life) at(port uint16) Target {
	return Target{Kind: At, Port: port, TLS: l.ports[port].verdict == speaksHTTPS}
}

// leave notes what a port spoke that is not listened on any more.
func (l *life) leave(port uint16) {
	if q := l.ports[port]; q != nil && (q.verdict == speaksHTTP || q.verdict == speaksHTTPS) {
		l.spoke[port] = true
	}
}
