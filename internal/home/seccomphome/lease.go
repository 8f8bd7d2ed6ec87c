package seccomphome

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// leases has the TCP ports of the home that are kept for one service each.
type leases struct {
	ip4 netip.Addr

	mu     sync.Mutex // guards what follows
	closed bool
	ports  map[uint16]lease
}

// lease is a TCP port that one service has. fd is a socket that is bound to
// it and does not listen, or -1.
type lease struct {
	service string
	fd      int
}

func newLeases(ip4 netip.Addr) leases { return leases{ip4: ip4, ports: make(map[uint16]lease)} }

func (l lease) close() error {
	if l.fd < 0 {
		return nil
	}
	return unix.Close(l.fd)
}

// take leases a port to a service.
func (l *leases) take(service string, port uint16) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return errors.New("home is closed")
	}
	if port == 0 {
		return unix.EINVAL
	}
	if had, ok := l.ports[port]; ok {
		if had.service == service {
			return nil
		}
		return fmt.Errorf("service %s has it: %w", had.service, unix.EADDRINUSE)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	if errno := unotify.NewAddress(unix.AF_INET, netip.AddrPortFrom(l.ip4, port)).Bind(fd); errno != 0 {
		return errors.Join(errno, unix.Close(fd))
	}
	l.ports[port] = lease{service, fd}
	return nil
}

// release ends a lease.
func (l *leases) release(port uint16) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	had, ok := l.ports[port]
	if !ok {
		return nil
	}
	delete(l.ports, port)
	return had.close()
}

// holder returns the service that has a port leased.
func (l *leases) holder(port uint16) (service string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	had, ok := l.ports[port]
	return had.service, ok
}

// yield closes the lease's own socket, because the service runs as another user,
// whose SO_REUSEPORT does not go with ours. The lease stays between services.
func (l *leases) yield(service string, port uint16) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	had, ok := l.ports[port]
	if !ok || had.service != service || had.fd < 0 {
		return false
	}
	l.ports[port] = lease{had.service, -1}
	return unix.Close(had.fd) == nil
}

// close ends all leases.
func (l *leases) close() (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, had := range l.ports {
		err = errors.Join(err, had.close())
	}
	clear(l.ports)
	return err
}

// leased reports whether the caller's service may bind a socket to a port, and
// makes it possible beside the lease's own socket.
func leased(c *call, s *socket.Socket, port uint16) unix.Errno {
	if s.Proto != loopback.TCP || port == 0 {
		return 0
	}
	h := c.l.h
	switch service, ok := h.leases.holder(port); {
	case !ok:
		return 0
	case service != c.l.service:
		return unix.EADDRINUSE
	}
	own, err := unix.GetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil {
		return unotify.Number(err)
	}
	if own != 0 {
		return 0
	}
	// The program did not ask to share the port with itself.
	to, taken, err := h.router.Resolve(s.Proto, netip.AddrPortFrom(h.spec.IP4, port), netip.AddrPort{})
	if err == nil && taken && !h.holds.Has(to) {
		return unix.EADDRINUSE
	}
	return unotify.Number(unix.SetsockoptInt(s.FD, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}
