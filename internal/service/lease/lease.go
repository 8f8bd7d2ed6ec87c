// Package lease keeps a port, or a listening socket, for a service over its restarts.
package lease

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/service"
)

// Lease is a port that is kept for a service, over its restarts, until it is
// stopped.
type Lease struct {
	Port uint16
	// Listener is the listening socket that the service gets, where it wants
	// one.
	Listener *os.File
	engine   bool // the engine keeps the port
}

// Has reports whether the socket with that inode number is the lease's own.
func (l *Lease) Has(inode uint32) bool {
	if l.Listener == nil || inode == 0 {
		return false
	}
	fi, err := l.Listener.Stat()
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Ino == uint64(inode)
}

const tries = 200

// Engine keeps ports of a home for services.
type Engine interface {
	// Lease keeps a port; the error is errors.ErrUnsupported where it cannot.
	Lease(service string, port uint16) error
	Release(port uint16) error
}

// New gets the port, or the listening socket, that a service is to have at an address: the
// one that it names, or a free one.
func New(engine Engine, ip netip.Addr, sp service.Spec) (*Lease, error) {
	var last error
	for range tries {
		port := sp.Port
		if sp.AutoPort {
			port = loopback.DynamicFirst + uint16(rand.IntN(loopback.DynamicLast-loopback.DynamicFirst+1))
		}
		at := netip.AddrPortFrom(ip, port)
		if sp.Listen {
			f, err := listen(at)
			if err == nil {
				return &Lease{Port: port, Listener: f}, nil
			}
			last = err
		} else {
			err := engine.Lease(sp.Name, port)
			if err == nil {
				return &Lease{Port: port, engine: true}, nil
			}
			if errors.Is(err, errors.ErrUnsupported) {
				// Without an engine the port can only be tried, not kept: between
				// here and the program's own bind another program may take it.
				f, err := listen(at)
				if err == nil {
					_ = f.Close()
					return &Lease{Port: port}, nil
				}
				last = err
			} else {
				last = err
			}
		}
		if !sp.AutoPort || !errors.Is(last, unix.EADDRINUSE) {
			break
		}
	}
	return nil, fmt.Errorf("lease a port: %w", last)
}

// Drop gives the port up.
func (l *Lease) Drop(engine Engine) {
	if l.Listener != nil {
		_ = l.Listener.Close()
	}
	if l.engine {
		_ = engine.Release(l.Port)
	}
}

// listen returns a listening TCP socket at the address, blocking as
// sd_listen_fds(3) has it.
func listen(at netip.AddrPort) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err == nil {
			err = unix.Listen(fd, unix.SOMAXCONN)
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen on %s: %w", at, err)
	}
	return os.NewFile(uintptr(fd), at.String()), nil
}
