package ebpfhome

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// lease keeps a port for a service in two ways. The table of leases keeps the
// other services of the home off it. The socket, bound and not listening,
// keeps everybody else off it: with SO_REUSEPORT only sockets that have it
// too and belong to the same user can share the port, and the bind hook gives
// it to the service's.
type lease struct {
	service string
	fd      int
}

func (in *inside) Lease(service string, port uint16) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if l := in.leases[port]; l != nil {
		if l.service == service {
			return nil
		}
		return fmt.Errorf("lease port %d for %s: %s has it: %w", port, service, l.service, unix.EADDRINUSE)
	}
	g, err := in.group(service)
	if err != nil {
		return fmt.Errorf("lease port %d for %s: %w", port, service, err)
	}
	fd, err := hold(netip.AddrPortFrom(in.spec.IP4, port))
	if err != nil {
		return fmt.Errorf("lease port %d for %s: %w", port, service, err)
	}
	if err := in.table.Put(port, g.id); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	in.leases[port] = &lease{service, fd}
	return nil
}

func (in *inside) Release(port uint16) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.release(port)
}

func (in *inside) release(port uint16) error {
	l := in.leases[port]
	if l == nil {
		return nil
	}
	delete(in.leases, port)
	return errors.Join(in.table.Delete(port), unix.Close(l.fd))
}

// hold binds a TCP socket that does not listen.
func hold(at netip.AddrPort) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("make socket: %w", err)
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("bind %s: %w", at, err), unix.Close(fd))
	}
	return fd, nil
}
