package supervisor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lodge/internal/loopback"
)

// endpointTable keeps the list of endpoints as the kernel has it.
type endpointTable struct {
	roster
	// refreshing serializes reads of the endpoints, so that an older answer never
	// replaces a newer one. It is taken before mu.
	refreshing sync.Mutex
}

// watchEndpoints keeps the list of endpoints as the kernel has it.
func (s *endpointTable) watchEndpoints(ctx context.Context) {
	exits, done := s.reaper.Exits()
	defer done()
	poll := time.NewTimer(time.Hour)
	defer poll.Stop()
	for {
		var due <-chan time.Time
		changed := s.Changed()
		if wait := s.nextPoll(); wait > 0 {
			poll.Reset(wait)
			due = poll.C
		}
		select {
		case <-ctx.Done():
			return
		case <-s.inside.Changes():
		case <-exits:
			s.inside.ProcessExited()
		case c := <-s.inside.Conflicts():
			s.mu.Lock()
			s.conflicts[c.Service] = c
			s.broadcast()
			s.mu.Unlock()
			continue
		case <-changed:
			continue // a service may be ready, and so be looked after from now on
		case <-due:
			_ = s.Recheck() // an error here is seen by the next caller
			continue
		}
		_ = s.Refresh() // as above
	}
}

// The engine seccomp does not tell when a living process closes a listening
// socket. While a service is ready because it listens, its sockets are looked
// at again, seldom where nothing has changed for long.
const (
	pollFactor = 8
	pollLeast  = 50 * time.Millisecond
	pollMost   = 2 * time.Second
)

// readings is when the endpoints of a home were read.
type readings struct {
	read   time.Time // the last time
	moved  time.Time // when they last differed from those before
	failed time.Time // the last time that the kernel was asked in vain
}

// untilRead returns how long to wait, from now on, before they are read again although
// nothing was told. What cannot be read is not asked for more often than what never
// changes.
func (r readings) untilRead(now time.Time) time.Duration {
	wait, last := min(max(now.Sub(r.moved)/pollFactor, pollLeast), pollMost), r.read
	if r.failed.After(r.read) {
		wait, last = pollMost, r.failed
	}
	return max(last.Add(wait).Sub(now), pollLeast/5)
}

// nextPoll returns how long to wait before the endpoints are read again although
// nothing was told, or 0 where that is not needed.
func (s *endpointTable) nextPoll() time.Duration {
	if !s.blind() {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.runners {
		if r.lapses() {
			return s.untilRead(time.Now())
		}
	}
	return 0
}

// blind reports whether the engine does not tell when a living process closes a
// listening socket.
func (s *endpointTable) blind() bool { return !s.inside.Capabilities().ReportsClose }

// recent reports whether it was looked not long ago whether those of the named
// services that are ready because they listen still do. It looks otherwise.
func (s *endpointTable) recent(names []string) bool {
	if !s.blind() {
		return true
	}
	s.mu.Lock()
	ready := slices.ContainsFunc(names, func(n string) bool { return s.runners[n] != nil && s.runners[n].lapses() })
	fresh := time.Since(s.read) <= pollLeast
	s.mu.Unlock()
	if !ready || fresh {
		return true
	}
	return s.Recheck() != nil // what cannot be read stays as it was
}

// Refresh reads the endpoints anew, and wakes all that wait for a change.
func (s *endpointTable) Refresh() error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	return s.refresh(true)
}

// Recheck reads the endpoints anew, and wakes those that wait for a change only
// if there is one.
func (s *endpointTable) Recheck() error { return s.readSince(time.Now()) }

// readSince makes sure that the endpoints were read at t or later.
func (s *endpointTable) readSince(t time.Time) error {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	s.mu.Lock()
	fresh := !s.read.Before(t)
	s.mu.Unlock()
	if fresh {
		return nil
	}
	return s.refresh(false)
}

// refresh is Refresh; the caller holds s.refreshing.
func (s *endpointTable) refresh(tell bool) error {
	for look := 1; ; look++ {
		at := time.Now()
		eps, err := s.inside.Endpoints()
		if err != nil {
			s.mu.Lock()
			s.failed = time.Now()
			s.mu.Unlock()
			return fmt.Errorf("list endpoints: %w", err)
		}
		if s.take(eps, at, tell, look > 1) {
			return nil
		}
		// A service would be not ready any more. The kernel's list is no snapshot:
		// a socket can be missing from it because others came or went meanwhile.
	}
}

// take keeps endpoints that were read at a time. It returns false, and changes
// nothing, if a service that was ready would not be any more, unless sure.
func (s *endpointTable) take(eps []loopback.Endpoint, at time.Time, tell, sure bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range eps {
		if eps[i].Service == "" && eps[i].Protocol == loopback.TCP && eps[i].IP == s.spec.IP4 {
			eps[i].Service = s.leasedTo(eps[i])
		}
	}
	lapsed := false
	for _, r := range s.runners {
		if r.lost(eps) {
			if !sure {
				return false
			}
			r.lapse()
			lapsed = true
		}
	}
	moved := !slices.Equal(eps, s.endpoints)
	if moved {
		s.moved = at
	}
	s.endpoints, s.read = eps, at
	now := make(map[string][]uint16)
	for _, e := range eps {
		if e.Service != "" && !slices.Contains(now[e.Service], e.Port) {
			now[e.Service] = append(now[e.Service], e.Port)
		}
	}
	maps.Copy(s.had, now)
	if moved {
		s.tellMoved(eps)
	}
	if tell || moved || lapsed {
		s.broadcast()
	}
	return true
}

// leasedTo names the service that an endpoint was made for by lodge itself: no
// process inside made the socket, so the engine cannot tell. The caller holds
// mu.
func (s *endpointTable) leasedTo(e loopback.Endpoint) string {
	for name, r := range s.runners {
		if l := r.currentLease(); l != nil && l.Port == e.Port && l.Has(e.Inode) {
			return name
		}
	}
	return ""
}

// Others lists endpoints in the home that belong to no service that is shown,
// such as one of a command that was run by `lodge exec`.
func (s *endpointTable) Others() []loopback.Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []loopback.Endpoint
	for _, e := range s.endpoints {
		_, svc := s.runners[e.Service]
		run, ok := s.runs[e.Service]
		if !svc && (!ok || !run.shows()) {
			out = append(out, e)
		}
	}
	return out
}
