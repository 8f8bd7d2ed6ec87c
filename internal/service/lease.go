package service

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// lease is a port that is kept for a service, over its restarts, until it is
// stopped.
type lease struct {
	port uint16
	// listener is the listening socket that the service gets, where it wants
	// one.
	listener *os.File
	engine   bool // the engine keeps the port
}

// has reports whether the socket with that inode number is the lease's own.
func (l *lease) has(inode uint32) bool {
	if l.listener == nil || inode == 0 {
		return false
	}
	fi, err := l.listener.Stat()
	if err != nil {
		return false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return ok && st.Ino == uint64(inode)
}

func (r *tenant) currentLease() *lease {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lease
}

func (r *tenant) leased() bool {
	l := r.currentLease()
	return l != nil && l.listener != nil
}

// takeLease gets the port or the socket that the service is to have, unless it
// has it already.
func (r *tenant) takeLease(sp Spec) error {
	if !sp.AutoPort && !sp.Listen {
		r.dropLease()
		return nil
	}
	if l := r.currentLease(); l != nil && (l.listener != nil) == sp.Listen && (sp.AutoPort || l.port == sp.Port) {
		return nil
	}
	r.dropLease()
	l, err := r.newLease(sp)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.lease = l
	r.mu.Unlock()
	if l.listener != nil {
		_ = r.sup.Refresh() // no hook sees a socket that this process made
	}
	return nil
}

const leaseTries = 200

func (r *tenant) newLease(sp Spec) (*lease, error) {
	var last error
	for range leaseTries {
		port := sp.Port
		if sp.AutoPort {
			port = loopback.DynamicFirst + uint16(rand.IntN(loopback.DynamicLast-loopback.DynamicFirst+1))
		}
		at := netip.AddrPortFrom(r.sup.spec.IP4, port)
		if sp.Listen {
			f, err := listen(at)
			if err == nil {
				return &lease{port: port, listener: f}, nil
			}
			last = err
		} else {
			err := r.sup.inside.Lease(sp.Name, port)
			if err == nil {
				return &lease{port: port, engine: true}, nil
			}
			if errors.Is(err, errors.ErrUnsupported) {
				// Without an engine the port can only be tried, not kept: between
				// here and the program's own bind it is anyone's.
				f, err := listen(at)
				if err == nil {
					_ = f.Close()
					return &lease{port: port}, nil
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

func (r *tenant) dropLease() {
	r.mu.Lock()
	l := r.lease
	r.lease = nil
	r.mu.Unlock()
	if l == nil {
		return
	}
	if l.listener != nil {
		_ = l.listener.Close()
	}
	if l.engine {
		_ = r.sup.inside.Release(l.port)
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
