package table

import (
	"maps"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/loopback"
)

// SixPort is where an IPv6-only socket really is: a port of ::1.
type SixPort struct {
	Port    uint16
	Cookie  uint64
	service string
	// Multipath reports that the kernel's table shows a subflow, with a cookie of
	// its own.
	Multipath bool
	// listened reports that it was seen listening, so that its absence means that
	// it is gone.
	listened bool
}

// SixPorts has the ports of ::1 at which IPv6-only sockets are, by the port that
// the program asked for. The zero value is empty.
type SixPorts struct {
	mu    sync.Mutex // guards what follows
	ports map[Port]SixPort
	asked map[Port]uint16 // by the real port
}

// Put keeps that a socket which asked for a port is at another one.
func (t *SixPorts) Put(key Port, s *socket.Socket, port uint16, service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ports == nil {
		t.ports, t.asked = make(map[Port]SixPort), make(map[Port]uint16)
	}
	if old, ok := t.ports[key]; ok {
		delete(t.asked, Port{key.Proto, old.Port})
	}
	t.ports[key] = SixPort{Port: port, Cookie: s.Cookie, service: service, Multipath: s.Raw == unix.IPPROTO_MPTCP}
	t.asked[Port{key.Proto, port}] = key.Port
}

// Real returns where a socket is that asked for a port.
func (t *SixPorts) Real(key Port) (SixPort, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.ports[key]
	return at, ok
}

// Asked returns the port that a program asked for and was given another of ::1
// instead, which is real.
func (t *SixPorts) Asked(proto loopback.Protocol, real uint16) (uint16, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	port, ok := t.asked[Port{proto, real}]
	return port, ok
}

// Forget drops the ports of a service.
func (t *SixPorts) Forget(service string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, at := range t.ports {
		if at.service == service {
			t.drop(key, at)
		}
	}
}

// Prune drops the ports whose sockets are gone: they listened, and are not bound
// any more. A socket that has not listened yet is not in the kernel's list.
func (t *SixPorts) Prune(listens, isBound func(Address) bool) {
	t.mu.Lock()
	all := maps.Clone(t.ports)
	t.mu.Unlock()
	for key, at := range all {
		real := Address{key.Proto, Loopback6(at.Port)}
		now := listens(real)
		if !now && (!at.listened || isBound(real)) {
			continue
		}
		t.mu.Lock()
		if t.ports[key] == at { // it was not bound anew meanwhile
			if now {
				at.listened = true
				t.ports[key] = at
			} else {
				t.drop(key, at)
			}
		}
		t.mu.Unlock()
	}
}

// drop drops one port. The caller holds mu.
func (t *SixPorts) drop(key Port, at SixPort) {
	delete(t.ports, key)
	delete(t.asked, Port{key.Proto, at.Port})
}
