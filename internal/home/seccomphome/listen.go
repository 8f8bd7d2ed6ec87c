package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// listen makes a socket listen; one without an address gets the home's first.
func listen(c *call) unotify.Answer {
	if c.s.Proto == loopback.TCP {
		if errno := settle(c); errno != 0 {
			return unotify.Fail(errno)
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_LISTEN, uintptr(c.s.FD), uintptr(c.n.Args[1]), 0)
	if errno != 0 {
		return unotify.Fail(errno)
	}
	h := c.l.h
	h.processes.AddThread(c.n.TID, c.l.service)
	h.register(&c.s, c.l.service)
	h.notices.changed()
	return unotify.Answer{}
}

// settle makes sure that a socket that is about to listen is bound to the
// home. One that was connected, or tried to, and gave that up has lost its
// address: it shows a port, and would listen on all interfaces.
func settle(c *call) unix.Errno {
	at, err := c.s.Local()
	if err != nil {
		return unotify.Number(err)
	}
	if !at.Addr().Unmap().IsUnspecified() || !c.s.Idle() {
		return 0
	}
	// The kernel may have let go of the port that it shows still.
	errno := bindAnyPort(c)
	if errno != unix.EINVAL || at.Port() == 0 {
		return errno
	}
	return comeHome(c, at)
}

// bindAnyPort binds a socket without an address to the home, at a port of
// the kernel's choice.
func bindAnyPort(c *call) unix.Errno {
	h := c.l.h
	if c.s.V6Only() {
		asked := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		errno := bindSix(c, asked)
		if errno == 0 {
			h.memory.Remember(&c.s, asked)
		}
		return errno
	}
	return c.s.Bind(netip.AddrPortFrom(h.spec.IP4, 0))
}

// comeHome puts a fresh socket, bound to the home, in the place of one that is
// bound to the wildcard address and a port.
func comeHome(c *call, at netip.AddrPort) unix.Errno {
	h := c.l.h
	fresh, err := c.s.Fresh()
	if err != nil {
		return unotify.Number(err)
	}
	if errno := leased(c, &fresh, at.Port()); errno != 0 {
		fresh.Close()
		return errno
	}
	// The old one goes first, for it has the port.
	if errno := c.replace(&fresh); errno != 0 {
		fresh.Close()
		return errno
	}
	var errno unix.Errno
	if c.s.V6Only() {
		errno = bindSix(c, at)
	} else {
		errno = c.s.Bind(netip.AddrPortFrom(h.spec.IP4, at.Port()))
	}
	if errno == 0 {
		h.memory.Remember(&c.s, at)
	}
	return errno
}
