package service

import (
	"context"
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/procfs"
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
	named   bool                    // all ports are: the file names them
	wanted  []PortName              // further ports that the file names
	control time.Duration           // how long control ports alone, or without all of wanted, must be there
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
			w.startup = at.Sub(w.began)
		}
		w.changed = at
	}
	w.first = now
	if len(now) == 0 {
		return 0, false
	}
	if early {
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

// missing reports whether nothing listens on a port that the file gives a name.
func (w *settling) missing(eps []loopback.Endpoint) bool {
	return slices.ContainsFunc(w.wanted, func(n PortName) bool {
		return !slices.ContainsFunc(eps, func(e loopback.Endpoint) bool { return e.Protocol == loopback.TCP && e.Port == n.Port })
	})
}

func (w *settling) isControl(e loopback.Endpoint) bool {
	return e.Protocol == loopback.TCP && e.Port != w.own && !w.named && Control(e.Port)
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

// settled is how a wait for the listening sockets of a service ended.
type settled struct {
	ok    bool
	since time.Time // since when they are as they are
	// worker reports that it has none, and is taken for a worker.
	worker bool
	// tried reports that it has listened before.
	tried bool
}

// settle waits until the service listens and its listening sockets have
// settled. With soft, not zero, it gives up when the service has not listened
// for so long. With worker it may find that the service is one.
func (r *prober) settle(ctx context.Context, sp Spec, p *process, began time.Time, soft time.Duration, worker bool) settled {
	if r.leased() {
		return settled{ok: true, since: time.Now()} // lodge itself listens: connections wait in the queue from now on
	}
	w := settling{began: began, own: r.wantedPort(sp), named: len(sp.Ready.TCP) > 0, control: r.sup.control}
	if !w.named {
		w.wanted = sp.PortNames
	}
	if w.own == 0 {
		w.own = sp.Port
	}
	idle := idleness{workerTimes: r.sup.worker, began: p.started}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		s := r.sup
		s.mu.Lock()
		ch, read, eps := s.changed, s.read, s.endpoints
		r.mu.Lock()
		eps = r.proving(sp, eps)
		r.mu.Unlock()
		s.mu.Unlock()
		left, listens := w.see(eps, read)
		if listens && left <= 0 {
			return settled{ok: true, since: w.changed}
		}
		var due <-chan time.Time
		next := read.Add(left)
		if !listens && soft > 0 {
			if next = w.over(soft); !next.After(time.Now()) {
				return settled{tried: w.tried}
			}
		}
		asleep := worker && !listens && !w.tried
		if asleep {
			if idle.due() && idle.see(procfs.ReadActivity(r.pids()), time.Now()) {
				return settled{worker: true}
			}
			next = idle.at.Add(idle.every)
		}
		if listens || soft > 0 || asleep {
			timer.Reset(max(time.Until(next), settlePatience))
			due = timer.C
		}
		select {
		case <-ch:
		case <-due:
			// No engine tells of every close at once: what is there is read anew.
			_ = s.Recheck() // an error leaves the sockets as they were read last
		case <-ctx.Done():
			return settled{tried: w.tried}
		}
	}
}
