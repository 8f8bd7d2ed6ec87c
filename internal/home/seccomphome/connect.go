package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
	"lodge/internal/home/seccomphome/relay"
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
	v := c.l.h.router.Connect(&c.s, asked)
	if errno := follow(c, &c.to, asked, v); errno != 0 {
		return unotify.Fail(errno)
	}
	near := asked.Addr().Unmap().IsLoopback() || loopback.IsLocalhost(asked.Addr())
	if near && c.l.h.relay.On() && c.s.Proto == loopback.TCP && c.s.Idle() {
		return dialTapped(c, asked, v)
	}
	return dial(c, near)
}

// follow does what the home's rules say of a connect to asked: it writes where
// that leads to the address, or returns the error.
func follow(c *call, to *unotify.Address, asked netip.AddrPort, v route.Verdict) unix.Errno {
	switch v.Do {
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

// dialTapped is dial while connections are tapped: one to a service of the home is led
// through the relay. Where that cannot be, it is made directly, and the taps are told why.
func dialTapped(c *call, asked netip.AddrPort, v route.Verdict) unotify.Answer {
	// A socket may connect to itself, and port 0 is where nothing can listen.
	r, outside := c.l.h.relay, v.Do != route.Lead || v.To.Port() == 0 || v.To.Port() == v.From.Port()
	o := feed.Opening{Process: relay.Who(c.n.TID), ClientService: c.l.service, Server: plain(asked)}
	if !c.valid() {
		return unotify.Fail(unix.ESRCH) // it may be another process
	}
	why := ""
	if !outside {
		o.Server, o.ServerService = v.To, serviceOf(c.l.h, v.To)
		var p *relay.Passage
		if p, why = r.Open(&c.s, v.From, v.To, o); p != nil {
			if a, ok := lead(c, p); ok {
				return a
			}
			c.to.Set(v.To)
			why = feed.Failed
		}
	}
	a := dial(c, true)
	switch {
	case !a.Later && refused(c, a):
		o.Client = clientOf(&c.s, o.Server)
		r.Refused(o)
	case !a.Later && a.Errno != 0 && a.Errno != unix.EINPROGRESS:
		// There is no connection.
	case outside:
		r.Outside()
	default:
		r.Lost(why)
	}
	return a
}

// lead connects to the relay. ok is false where that fails.
func lead(c *call, p *relay.Passage) (a unotify.Answer, ok bool) {
	// The waiter may close the duplicate at any moment.
	fd, err := unix.FcntlInt(uintptr(c.s.FD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		p.Cancel()
		return a, false
	}
	own := socket.Socket{FD: fd, Domain: c.s.Domain}
	defer own.Close()
	c.l.h.memory.Led(c.s.Cookie, p.Client) // before the program can ask
	c.to.Set(p.At)
	a = dial(c, true)
	ok = a.Later || a.Errno == 0 || a.Errno == unix.EINPROGRESS
	at, err := own.Local()
	if err != nil || !ok {
		p.Cancel()
		return a, ok
	}
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	p.Connected(at, err == nil && info.State != unix.BPF_TCP_SYN_SENT)
	return a, true
}

// serviceOf returns the service that listens at an address of the home.
func serviceOf(h *Home, at netip.AddrPort) string {
	key := table.Address{Proto: loopback.TCP, At: at}
	service := h.owners.At(key)
	if service == "" && at.Addr().Is4() { // by a socket of both families
		key.At = netip.AddrPortFrom(unotify.Mapped(at.Addr()), at.Port())
		service = h.owners.At(key)
	}
	return service
}

// refused reports whether a connect was refused, with the answer or just after it.
func refused(c *call, a unotify.Answer) bool {
	if a.Errno != unix.EINPROGRESS {
		return a.Errno == unix.ECONNREFUSED
	}
	info, err := unix.GetsockoptTCPInfo(c.s.FD, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.State == unix.BPF_TCP_CLOSE
}

// clientOf is the address from which a connect was tried. A socket that was refused shows
// its port still.
func clientOf(s *socket.Socket, server netip.AddrPort) netip.AddrPort {
	at, err := s.Local()
	if err != nil || !at.Addr().IsValid() {
		at = netip.AddrPort{}
	}
	if ip := at.Addr(); ip.IsValid() && !ip.IsUnspecified() {
		return plain(at)
	}
	if server.Addr().Is6() {
		return table.Loopback6(at.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
}

// plain is an address as the kernel takes it: IPv4 where it is mapped, and localhost
// where it is unspecified.
func plain(at netip.AddrPort) netip.AddrPort {
	switch ip := at.Addr().Unmap(); {
	case !ip.IsUnspecified():
		return netip.AddrPortFrom(ip, at.Port())
	case ip.Is6():
		return table.Loopback6(at.Port())
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
}
