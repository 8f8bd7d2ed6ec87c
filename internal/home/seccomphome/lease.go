package seccomphome

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// lease is a TCP port that one service has. fd is a socket that is bound to
// it and does not listen, or -1.
type lease struct {
	service string
	fd      int
}

func (l lease) release() error {
	if l.fd < 0 {
		return nil
	}
	return unix.Close(l.fd)
}

// Lease keeps a TCP port of the home for one service. A socket of ours is
// bound to it with SO_REUSEPORT, so that nobody outside takes it either, but
// another program of the same user that sets SO_REUSEPORT too. It fails with
// EADDRINUSE where somebody has the port.
func (h *Home) Lease(service string, port uint16) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return fmt.Errorf("lease port %d: home is closed", port)
	}
	if port == 0 {
		return fmt.Errorf("lease port 0: %w", unix.EINVAL)
	}
	if had, ok := h.leases[port]; ok {
		if had.service == service {
			return nil
		}
		return fmt.Errorf("lease port %d: service %s has it: %w", port, had.service, unix.EADDRINUSE)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("lease port %d: %w", port, err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return errors.Join(fmt.Errorf("lease port %d: %w", port, err), unix.Close(fd))
	}
	if errno := unotify.NewAddress(unix.AF_INET, netip.AddrPortFrom(h.spec.IP4, port)).Bind(fd); errno != 0 {
		return errors.Join(fmt.Errorf("lease port %d: %w", port, errno), unix.Close(fd))
	}
	h.leases[port] = lease{service, fd}
	return nil
}

// Release ends a lease. Without one it does nothing.
func (h *Home) Release(port uint16) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	had, ok := h.leases[port]
	if !ok {
		return nil
	}
	delete(h.leases, port)
	if err := had.release(); err != nil {
		return fmt.Errorf("release port %d: %w", port, err)
	}
	return nil
}

// leased reports whether this service may bind a port, and makes it possible
// beside the lease's own socket.
func (l *listener) leased(s *socket, port uint16) unix.Errno {
	if s.proto != loopback.TCP || port == 0 {
		return 0
	}
	l.h.mu.Lock()
	had, ok := l.h.leases[port]
	l.h.mu.Unlock()
	switch {
	case !ok:
		return 0
	case had.service != l.service:
		return unix.EADDRINUSE
	}
	own, err := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT)
	if err != nil {
		return unotify.Number(err)
	}
	if own != 0 {
		return 0
	}
	// The program did not ask to share the port with itself.
	if to, taken, err := l.h.resolve(s.proto, netip.AddrPortFrom(l.h.spec.IP4, port), netip.AddrPort{}); err == nil && taken && !l.h.holds(to) {
		return unix.EADDRINUSE
	}
	return unotify.Number(unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
}

// yieldLease returns the lease's own socket up, because the service runs as
// another user, whose SO_REUSEPORT does not go with ours. The lease stays
// between services.
func (l *listener) yieldLease(s *socket, port uint16) bool {
	if s.proto != loopback.TCP {
		return false
	}
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	had, ok := l.h.leases[port]
	if !ok || had.service != l.service || had.fd < 0 {
		return false
	}
	l.h.leases[port] = lease{had.service, -1}
	return unix.Close(had.fd) == nil
}
