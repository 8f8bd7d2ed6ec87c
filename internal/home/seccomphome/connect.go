package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/route"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// connect connects the duplicate, to where its address leads from inside.
func connect(c *call) unotify.Answer {
	if fail, ok := c.address(); !ok {
		return fail
	}
	asked, ok := c.to.Inet(c.s.Domain, false, c.s.Datagrams())
	if c.s.Foreign || !ok {
		return dial(c, true)
	}
	if errno := follow(c, &c.to, asked); errno != 0 {
		return unotify.Fail(errno)
	}
	return dial(c, asked.Addr().Unmap().IsLoopback() || loopback.IsLocalhost(asked.Addr()))
}

// follow does what the home's rules say of a connect to asked: it writes where
// that leads to the address, or returns the error.
func follow(c *call, to *unotify.Address, asked netip.AddrPort) unix.Errno {
	switch v := c.l.h.router.Connect(&c.s, asked); v.Do {
	case route.Refuse:
		return v.Errno
	case route.Divert:
		to.Set(v.To)
	case route.Lead:
		if errno := enter(c.l.h, &c.s, asked, v); errno != 0 {
			return errno
		}
		to.Set(v.To)
	case route.Leave:
		return leaveHome(c)
	}
	return 0
}

// enter makes a socket ready for a connect into the home.
func enter(h *Home, s *socket.Socket, asked netip.AddrPort, v route.Verdict) unix.Errno {
	if table.IsIPv6(asked.Addr()) && v.To.Addr().Is4() && s.V6Only() {
		s.AllowIPv4()
	}
	if s.Datagrams() && v.From.Port() == 0 && v.To.Addr().Is4() && !s.V6Only() {
		if errno := s.Bind(netip.AddrPortFrom(h.spec.IP4, 0)); errno != 0 {
			return errno
		}
	}
	if s.Domain == unix.AF_INET6 && (s.Datagrams() || s.Idle()) {
		h.memory.Remember(s, asked)
	}
	return 0
}

// leaveHome is for a TCP client that bound to the wildcard address, and so to
// the home, and now wants to go to another machine, which is impossible from
// a loopback address. It gets a new socket that is bound as it asked for. A
// socket that has a connection keeps it.
func leaveHome(c *call) unix.Errno {
	h := c.l.h
	asked, ok := h.memory.Asked(c.s.Cookie)
	if !ok || !asked.Addr().IsUnspecified() {
		return 0
	}
	at, err := c.s.Local()
	if err != nil {
		return unotify.Number(err)
	}
	if at.Addr().Unmap() != h.spec.IP4 {
		return 0
	}
	fresh, err := c.s.Fresh()
	if err != nil {
		return unotify.Number(err)
	}
	// The old socket goes first, for it has the port that the new one is to
	// have: the one that the program may have been shown.
	if errno := c.replace(&fresh); errno != 0 {
		fresh.Close()
		return errno
	}
	errno := c.s.Bind(netip.AddrPortFrom(asked.Addr(), at.Port()))
	if errno == unix.EADDRINUSE && asked.Port() == 0 {
		errno = c.s.Bind(asked)
	}
	if errno != 0 && c.s.Bind(netip.AddrPortFrom(h.spec.IP4, at.Port())) == 0 {
		h.memory.Remember(&c.s, asked) // as before: it may be a server yet
	}
	return errno
}
