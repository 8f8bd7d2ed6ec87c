package settle

import (
	"net/netip"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/service"
)

func tcpAt(port uint16, inode uint32) loopback.Endpoint {
	return loopback.Endpoint{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: port, Service: "web", Inode: inode}
}

// TestSettling takes readings of a service's sockets, and when it is ready.
func TestSettling(t *testing.T) {
	const ms = time.Millisecond
	type reading struct {
		at   time.Duration // since its start
		eps  []loopback.Endpoint
		left time.Duration // that it must still stay so; -1 for "it listens nowhere"
	}
	one, again, two := tcpAt(3000, 1), tcpAt(3000, 2), tcpAt(4000, 3)
	inspector, debugger := tcpAt(9229, 4), tcpAt(5005, 5)
	list := func(eps ...loopback.Endpoint) []loopback.Endpoint { return eps }
	wanted := map[string][]service.PortName{
		"ports with names":               {{Name: "api", Port: 4000}},
		"a port with a name never comes": {{Name: "api", Port: 4000}},
	}
	for name, c := range map[string][]reading{
		"a program that starts at once": {
			{2 * ms, list(), -1}, {4 * ms, list(one), settleLeast}, {4*ms + settleLeast, list(one), 0},
		},
		"an interpreter takes longer": {
			{40 * ms, list(one), 120 * ms}, {100 * ms, list(one), 60 * ms}, {160 * ms, list(one), 0},
		},
		"and never longer than that": {
			{5000 * ms, list(one), settleMost}, {5000*ms + settleMost, list(one), 0},
		},
		"a port that is only tried": {
			{40 * ms, list(one), 120 * ms}, {70 * ms, list(), -1}, {3000 * ms, list(again), settleMost}, {3000*ms + settleMost, list(again), 0},
		},
		"tried and opened again between two readings": {
			{10 * ms, list(one), 30 * ms}, {20 * ms, list(again), settleMost}, {20*ms + settleMost, list(again), 0},
		},
		"tried on one port, and on the next for good": {
			{10 * ms, list(one), 30 * ms}, {20 * ms, list(two), settleMost}, {20*ms + settleMost, list(two), 0},
		},
		"a second port": {
			{10 * ms, list(two), 30 * ms}, {30 * ms, list(one, two), 30 * ms}, {60 * ms, list(two, one), 0},
		},
		"one port stays while others come and go": {
			{10 * ms, list(one), 30 * ms}, {1000 * ms, list(one, two), 30 * ms}, {1020 * ms, list(one), settleMost},
			{1900 * ms, list(one, two), 110 * ms}, {2010 * ms, list(one, again), 0},
		},
		"an inspector that opens first": {
			{10 * ms, list(inspector), Control}, {5000 * ms, list(inspector), Control - 4990*ms},
			{6000 * ms, list(inspector, one), 30 * ms}, {6030 * ms, list(inspector, one), 0},
		},
		"ports with names": {
			{10 * ms, list(one), Control}, {20 * ms, list(one), Control - 10*ms}, {1000 * ms, list(one, two), 30 * ms}, {1030 * ms, list(one, two), 0},
		},
		"a port with a name never comes": {
			{10 * ms, list(one), Control}, {10*ms + Control, list(one), 0},
		},
		"nothing but a debugger": {
			{10 * ms, list(debugger), Control}, {10*ms + Control, list(debugger), 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			w := Sockets{Began: began, Control: Control, Wanted: wanted[name]}
			for _, r := range c {
				left, ok := w.See(r.eps, began.Add(r.at))
				if ok != (r.left >= 0) || ok && left != r.left {
					t.Errorf("after %s: %s, %t; want %s", r.at, left, ok, r.left)
				}
			}
		})
	}
}

func TestSoftWaitIsLongerForAServer(t *testing.T) {
	began := time.Now()
	w := Sockets{Began: began}
	w.See(nil, began)
	if got := w.Over(time.Second); got != began.Add(time.Second) {
		t.Errorf("one that never listened: %s", got.Sub(began))
	}
	at := began.Add(500 * time.Millisecond)
	w.See([]loopback.Endpoint{tcpAt(3000, 1)}, began.Add(400*time.Millisecond))
	w.See(nil, at)
	if got := w.Over(time.Second); got != at.Add(softTried) {
		t.Errorf("one that listened: %s", got.Sub(at))
	}
}

func TestIdleness(t *testing.T) {
	const s = time.Second
	began := time.Now()
	type look struct {
		at     time.Duration
		a      procfs.Activity
		worker bool
	}
	for name, looks := range map[string][]look{
		"does nothing":   {{0, procfs.Activity{CPU: s}, false}, {2 * s, procfs.Activity{CPU: s}, false}, {3 * s, procfs.Activity{CPU: s}, true}},
		"waits a little": {{0, procfs.Activity{}, false}, {2 * s, procfs.Activity{Wait: s / 2}, false}, {4 * s, procfs.Activity{Wait: s}, true}},
		"does little":    {{0, procfs.Activity{}, false}, {2 * s, procfs.Activity{CPU: s / 10}, false}, {4 * s, procfs.Activity{CPU: s / 5}, true}},
		"is busy, and then not": {{0, procfs.Activity{}, false}, {3 * s, procfs.Activity{CPU: 2 * s}, false},
			{4 * s, procfs.Activity{CPU: 2 * s}, false}, {5 * s, procfs.Activity{CPU: 2 * s}, true}},
		"children end":            {{0, procfs.Activity{CPU: 9 * s}, false}, {3 * s, procfs.Activity{CPU: s}, true}},
		"gets no processor":       {{0, procfs.Activity{}, false}, {3 * s, procfs.Activity{Runs: true}, false}, {6 * s, procfs.Activity{Wait: 3 * s}, false}},
		"waits for a disk":        {{0, procfs.Activity{}, false}, {3 * s, procfs.Activity{Disk: true}, false}, {5 * s, procfs.Activity{}, true}},
		"is met while it runs":    {{0, procfs.Activity{}, false}, {3 * s, procfs.Activity{CPU: s / 100, Runs: true}, true}},
		"is quiet from the start": {{4 * s, procfs.Activity{}, false}, {5 * s, procfs.Activity{}, false}, {6 * s, procfs.Activity{}, true}},
	} {
		w := Idle{Times: DefaultIdle(), Began: began}
		for i, l := range looks {
			if got := w.See(l.a, began.Add(l.at)); got != l.worker {
				t.Errorf("%s, look %d: %t", name, i, got)
			}
		}
	}
}
