package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// bind binds the duplicate: what asks for localhost or for every interface
// goes to the home, anything else where it asks for.
func bind(c *call) unotify.Answer {
	if fail, ok := c.address(); !ok {
		return fail
	}
	h := c.l.h
	asked, ok := c.to.Inet(c.s.Domain, true, false)
	if ok && c.to.Family() == unix.AF_UNSPEC && !asked.Addr().IsUnspecified() {
		ok = false // the kernel takes only this form of it (inet_bind)
	}
	if c.s.Proto == "" || !ok || !loopback.IsLocalhost(asked.Addr()) {
		errno := c.to.Bind(c.s.FD)
		if errno == 0 && c.s.Proto != "" && ok && asked.Addr().Unmap().IsLoopback() && h.router.Strict {
			h.memory.Remember(&c.s, asked) // see route's keptFrom
		}
		return bound(c, netip.AddrPort{}, errno)
	}
	if c.s.Datagrams() && asked.Addr().IsUnspecified() && asked.Port() == 0 {
		// A client that wants a port. At the home it could only speak to this
		// machine, and the table says that other addresses are untouched.
		return bound(c, asked, c.to.Bind(c.s.FD))
	}
	return bound(c, asked, bindInside(c, asked))
}

// bindInside binds the duplicate in the home.
func bindInside(c *call, asked netip.AddrPort) unix.Errno {
	if errno := leased(c, &c.s, asked.Port()); errno != 0 {
		return errno
	}
	if takeOver(c, asked) {
		return 0
	}
	// A mapped address is refused by the kernel (EINVAL).
	if c.s.V6Only() && !asked.Addr().Is4In6() {
		return bindSix(c, asked)
	}
	h := c.l.h
	c.to.Set(netip.AddrPortFrom(h.spec.IP4, asked.Port()))
	errno := c.to.Bind(c.s.FD)
	if errno != unix.EADDRINUSE {
		return errno
	}
	// It may have been refused only because of what lodge itself did.
	if asked.Addr() == netip.IPv6Loopback() && onlyIPv4(h, table.Port{Proto: c.s.Proto, Port: asked.Port()}) {
		// 127.0.0.1:P and ::1:P are two addresses to the program.
		return bindSix(c, asked)
	}
	if c.s.Proto == loopback.TCP && h.leases.yield(c.l.service, asked.Port()) {
		return c.to.Bind(c.s.FD)
	}
	return unix.EADDRINUSE
}

// onlyIPv4 reports whether the port is taken in the home by an IPv4 socket and
// by no IPv6 one.
func onlyIPv4(h *Home, key table.Port) bool {
	at := netip.AddrPortFrom(h.spec.IP4, key.Port)
	got, found, err := h.kernel.Lookup(key.Proto, at)
	return err == nil && found && got.Family == unix.AF_INET && got.Src == at
}

// bindSix binds a socket that serves IPv6 only: to ::1, the only such address
// there is, at a port of the kernel's choice, which is kept in a table.
func bindSix(c *call, asked netip.AddrPort) unix.Errno {
	h := c.l.h
	key := table.Port{Proto: c.s.Proto, Port: asked.Port()}
	known, again := h.six.Real(key)
	if asked.Port() != 0 && again {
		// The kernel itself decides whether two may share it.
		at := table.Loopback6(known.Port)
		errno := unotify.NewAddress(unix.AF_INET6, at).Bind(c.s.FD)
		if errno != unix.EADDRINUSE || !stolen(h, c.s.Proto, at, known) {
			if errno == 0 {
				h.six.Put(key, &c.s, known.Port, c.l.service)
			}
			return errno
		}
	}
	if errno := unotify.NewAddress(unix.AF_INET6, table.Loopback6(0)).Bind(c.s.FD); errno != 0 {
		return errno
	}
	at, err := c.s.Local()
	if err != nil {
		return unotify.Number(err)
	}
	if key.Port == 0 {
		key.Port = at.Port()
	}
	h.six.Put(key, &c.s, at.Port(), c.l.service)
	return 0
}

// stolen reports whether another program listens where one of ours once did.
func stolen(h *Home, proto loopback.Protocol, at netip.AddrPort, known table.SixPort) bool {
	got, found, err := h.kernel.Lookup(proto, at)
	return err == nil && found && got.Cookie != known.Cookie && !known.Multipath && !h.memory.Has(got.Cookie)
}

// bound does what follows a bind. asked is the zero value where the home has
// nothing to do with it.
func bound(c *call, asked netip.AddrPort, errno unix.Errno) unotify.Answer {
	h := c.l.h
	if errno == unix.EADDRINUSE && asked.IsValid() {
		h.notices.conflict(c.l.service, c.s.Proto, asked.Port())
	}
	if errno != 0 {
		return unotify.Fail(errno)
	}
	h.processes.AddThread(c.n.TID, c.l.service)
	if asked.IsValid() {
		h.memory.Remember(&c.s, asked)
		h.owners.AddBound(c.s.Cookie, c.l.service)
	}
	if c.s.Datagrams() {
		h.register(&c.s, c.l.service)
	}
	h.notices.changed()
	return unotify.Answer{}
}
