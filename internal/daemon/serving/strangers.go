package serving

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"

	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/sockets/diag"
)

// strangers tells servers of services from those of other users that took the
// address of a service while that does not listen.
type strangers struct {
	// owners has the users whose sockets the services' endpoints are.
	owners atomic.Pointer[map[netip.AddrPort]loopback.Owner]

	mu   sync.Mutex // guards conn
	conn *diag.Conn
}

// know takes the endpoints of a table of names.
func (s *strangers) know(t *names.Table) {
	owners := make(map[netip.AddrPort]loopback.Owner)
	for _, p := range t.Projects() {
		for i := range p.Services {
			for _, e := range p.Services[i].Endpoints {
				if e.Protocol == loopback.TCP {
					owners[e.AddrPort()] = e.Owner
				}
			}
		}
	}
	s.owners.Store(&owners)
}

// check asks the kernel which user listens at an address, and returns an error if it is
// another user than the service's. Where the kernel does not tell, or nothing
// listens, the connection itself tells.
func (s *strangers) check(at netip.AddrPort) error {
	owners := s.owners.Load()
	if owners == nil {
		return nil
	}
	owner, known := (*owners)[at]
	if !known {
		return nil
	}
	s.mu.Lock()
	if s.conn == nil {
		conn, err := diag.Open()
		if err != nil {
			s.mu.Unlock()
			return nil
		}
		s.conn = conn
	}
	conn := s.conn
	s.mu.Unlock()
	got, found, err := conn.Lookup(loopback.TCP, at)
	if err != nil || !found || owner.Is(got.UID) {
		return nil
	}
	return fmt.Errorf("user %d listens there and not the service: %w", got.UID, syscall.ECONNREFUSED)
}

func (s *strangers) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	return s.conn.Close()
}
