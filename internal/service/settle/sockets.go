// Package settle tells from what a service does whether it has come to rest: whether its
// listening sockets stay as they are ([Sockets]), and whether one that listens nowhere is
// a worker ([Idle]). It reads nothing itself: what there is, and when, is given to it.
package settle

import (
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/service"
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
	// Control is how long a service that listens on nothing but ports by
	// which it is controlled or debugged is waited for: node --inspect, a JVM with
	// jdwp, and RabbitMQ with epmd open these seconds before their own.
	Control = 10 * time.Second
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

// Sockets follows the listening sockets of a service that is not ready yet.
type Sockets struct {
	Began   time.Time // of the wait
	startup time.Duration
	Own     uint16                  // a port that is the service's own, whatever it is known for; 0: none
	Named   bool                    // all ports are: the file names them
	Wanted  []service.PortName      // further ports that the file names
	Control time.Duration           // how long control ports alone, or without all of wanted, must be there
	first   map[socketKey]time.Time // when each present socket was first seen
	changed time.Time               // when the set changed last
	// tried reports that a listening socket was closed, at gone.
	tried bool
	gone  time.Time
}

// See takes the sockets as they were at a time, and returns how long they must
// still stay as they are; ok is false where there is none.
func (w *Sockets) See(eps []loopback.Endpoint, at time.Time) (left time.Duration, ok bool) {
	now := make(map[socketKey]time.Time, len(eps))
	oldest, early := at, w.onlyControl(eps) || w.missing(eps)
	changed := false
	for _, e := range eps {
		k := keyOf(e)
		first, known := w.first[k]
		if !known {
			first, changed = at, true
		}
		now[k] = first
		if first.Before(oldest) && (early || !w.isControl(e)) {
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
			w.startup = at.Sub(w.Began)
		}
		w.changed = at
	}
	w.first = now
	if len(now) == 0 {
		return 0, false
	}
	if early {
		return w.Control - at.Sub(oldest), true
	}
	quiet := settleTime(w.startup, w.tried) - at.Sub(w.changed)
	return min(quiet, settleBusy-at.Sub(oldest)), true
}

// onlyControl reports whether all endpoints are on ports by which servers are
// controlled or debugged.
func (w *Sockets) onlyControl(eps []loopback.Endpoint) bool {
	return !slices.ContainsFunc(eps, func(e loopback.Endpoint) bool { return !w.isControl(e) })
}

// missing reports whether nothing listens on a port that the file gives a name.
func (w *Sockets) missing(eps []loopback.Endpoint) bool {
	return slices.ContainsFunc(w.Wanted, func(n service.PortName) bool {
		return !slices.ContainsFunc(eps, func(e loopback.Endpoint) bool { return e.Protocol == loopback.TCP && e.Port == n.Port })
	})
}

func (w *Sockets) isControl(e loopback.Endpoint) bool {
	return e.Protocol == loopback.TCP && e.Port != w.Own && !w.Named && service.Control(e.Port)
}

// softTried is how long a service of which it is not known whether it listens
// has to listen again after it has closed a listening socket.
const softTried = 20 * time.Second

// Over returns when a soft wait ends: after limit, or later for a service that
// has listened before, since it most likely is a server.
func (w *Sockets) Over(limit time.Duration) time.Time {
	if w.tried {
		return w.gone.Add(max(limit, softTried))
	}
	return w.Began.Add(limit)
}

// Tried reports that the service has listened before, and closed a socket since.
func (w *Sockets) Tried() bool { return w.tried }

// Changed returns since when the sockets are as they are.
func (w *Sockets) Changed() time.Time { return w.changed }
