package service

import (
	"context"
	"slices"
	"time"

	"lodge/internal/loopback"
)

// Many programs try whether a port is free before they use it (get-port,
// detect-port, portfinder): they listen, close, and listen for good later,
// sometimes on the next port. Others open several ports, one after the other.
// So a service that listens is ready once its listening sockets have not
// changed for a while.
//
// The while is a multiple of the time that the program took until it listened:
// an interpreter, or any program on a busy machine, is as slow from one step to
// the next, and the wait stays a small part of the start. A program that has
// closed a listening socket before waits for the longest.
const (
	settleFactor = 3
	settleLeast  = 20 * time.Millisecond
	settleMost   = 150 * time.Millisecond
	// settleBusy is when a listening socket is enough although others still
	// come and go, as with a program that starts servers all the time.
	settleBusy = 2 * time.Second
	// settleControl is how long a service that listens on nothing but ports by
	// which it is controlled or debugged is waited for: node --inspect, a JVM with
	// jdwp, and RabbitMQ with epmd open these seconds before their own.
	settleControl = 10 * time.Second
)

// settleTime returns how long the listening sockets must be unchanged.
func settleTime(startup time.Duration, tried bool) time.Duration {
	if tried {
		return settleMost
	}
	return min(max(settleFactor*startup, settleLeast), settleMost)
}

// socketKey identifies a listening socket: one that was closed and opened anew
// on the same port has another inode.
type socketKey struct {
	protocol loopback.Protocol
	at       string
	inode    uint32
}

func keyOf(e loopback.Endpoint) socketKey {
	return socketKey{e.Protocol, e.AddrPort().String(), e.Inode}
}

// settling follows the listening sockets of a service that is not ready yet.
type settling struct {
	began   time.Time // of the wait
	startup time.Duration
	own     uint16                  // a port that is the service's own, whatever it is known for; 0: none
	control time.Duration           // how long control ports alone must be there
	first   map[socketKey]time.Time // when each present socket was first seen
	changed time.Time               // when the set changed last
	// tried reports that a listening socket was closed, at gone.
	tried bool
	gone  time.Time
}

// see takes the sockets as they were at a time, and returns how long they must
// still stay as they are; ok is false where there is none.
func (w *settling) see(eps []loopback.Endpoint, at time.Time) (left time.Duration, ok bool) {
	now := make(map[socketKey]time.Time, len(eps))
	oldest, control := at, w.onlyControl(eps)
	changed := false
	for _, e := range eps {
		k := keyOf(e)
		first, known := w.first[k]
		if !known {
			first, changed = at, true
		}
		now[k] = first
		if first.Before(oldest) && (control || !w.isControl(e)) {
			oldest = first
		}
	}
	for k := range w.first {
		if _, still := now[k]; !still {
			w.tried, w.gone, changed = true, at, true
		}
	}
	if changed {
		if w.changed.IsZero() {
			w.startup = at.Sub(w.began)
		}
		w.changed = at
	}
	w.first = now
	if len(now) == 0 {
		return 0, false
	}
	if control {
		return w.control - at.Sub(oldest), true
	}
	quiet := settleTime(w.startup, w.tried) - at.Sub(w.changed)
	return min(quiet, settleBusy-at.Sub(oldest)), true
}

// onlyControl reports whether all endpoints are on ports by which servers are
// controlled or debugged.
func (w *settling) onlyControl(eps []loopback.Endpoint) bool {
	return !slices.ContainsFunc(eps, func(e loopback.Endpoint) bool { return !w.isControl(e) })
}

func (w *settling) isControl(e loopback.Endpoint) bool {
	return e.Protocol == loopback.TCP && e.Port != w.own && Control(e.Port)
}

// softTried is how long a service of which it is not known whether it listens
// has to listen again after it has closed a listening socket.
const softTried = 20 * time.Second

// over returns when a soft wait ends: after limit, or later for a service that
// has listened before, since it most likely is a server.
func (w *settling) over(limit time.Duration) time.Time {
	if w.tried {
		return w.gone.Add(max(limit, softTried))
	}
	return w.began.Add(limit)
}

// settlePatience is the least time between two readings of the sockets.
const settlePatience = 2 * time.Millisecond

// settle waits until the service listens and its listening sockets have
// settled, and returns since when they are as they are. With soft, not zero, it
// gives up when the service has not listened for so long.
func (r *runner) settle(ctx context.Context, sp Spec, began time.Time, soft time.Duration) (since time.Time, ok bool) {
	if r.leased() {
		return time.Now(), true // lodge itself listens: connections wait in the queue from now on
	}
	w := settling{began: began, own: r.wantedPort(sp), control: r.sup.control}
	if w.own == 0 {
		w.own = sp.Port
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s := r.sup
		s.mu.Lock()
		ch, read, eps := s.changed, s.read, r.serving(sp, s.endpoints)
		s.mu.Unlock()
		left, listens := w.see(eps, read)
		if listens && left <= 0 {
			return w.changed, true
		}
		var due <-chan time.Time
		next := read.Add(left)
		if !listens && soft > 0 {
			if next = w.over(soft); !next.After(time.Now()) {
				return time.Time{}, false
			}
		}
		if listens || soft > 0 {
			timer.Reset(max(time.Until(next), settlePatience))
			due = timer.C
		}
		select {
		case <-ch:
		case <-due:
			// No engine tells of every close at once: what is there is read anew.
			_ = s.Recheck() // an error leaves the sockets as they were read last
		case <-ctx.Done():
			return time.Time{}, false
		}
	}
}

// serving returns the endpoints by which the service serves: those on the port
// that is expected of it, else all but what looks like a client's.
func (r *runner) serving(sp Spec, all []loopback.Endpoint) []loopback.Endpoint {
	return r.servingOn(r.wantedPort(sp), all)
}

func (r *runner) servingOn(want uint16, all []loopback.Endpoint) []loopback.Endpoint {
	return slices.DeleteFunc(slices.Clone(all), func(e loopback.Endpoint) bool {
		switch {
		case e.Service != r.name, want != 0 && e.Port != want:
			return true
		case e.Protocol == loopback.UDP && Ephemeral(e.Port) && want == 0:
			return true // most likely the near end of a query of its own
		}
		return false
	})
}
