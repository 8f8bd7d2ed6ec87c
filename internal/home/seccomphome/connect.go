package seccomphome

import (
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// resolve reports where localhost at a port is for somebody inside. from is the
// caller's own address, where it has one. found is false where nobody inside
// listens.
func (h *Home) resolve(proto loopback.Protocol, asked, from netip.AddrPort) (to netip.AddrPort, found bool, err error) {
	if pureSix(asked.Addr()) {
		if to, found, err = h.resolveSix(proto, asked.Port()); found || err != nil {
			return to, found, err
		}
		if to, found, err = h.clientSix(proto, asked.Port(), from); found || err != nil {
			return to, found, err
		}
	}
	to = netip.AddrPortFrom(h.spec.IP4, asked.Port())
	got, found, err := h.conn.Lookup(proto, to)
	if err == nil && !found && isDatagram(proto) && from.Port() != 0 {
		// A socket that is connected to the caller hears nobody else.
		got, found, err = h.conn.LookupPair(proto, to, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
	}
	if err != nil {
		return to, false, err
	}
	if found && got.Src.Addr().Unmap() == h.spec.IP4 && h.trusts(&got) {
		return to, true, nil
	}
	if found && isDatagram(proto) {
		// Clients' sockets are at the wildcard address, ours too.
		_, inside := h.remembered(got.Cookie)
		return to, inside, nil
	}
	h.mu.Lock()
	_, was := h.bound[endKey{proto, to}]
	h.mu.Unlock()
	if was {
		h.changed() // it listened, and is gone
	}
	return to, false, nil
}

func (h *Home) resolveSix(proto loopback.Protocol, port uint16) (netip.AddrPort, bool, error) {
	h.mu.Lock()
	known, ok := h.six[portKey{proto, port}]
	h.mu.Unlock()
	if !ok {
		return netip.AddrPort{}, false, nil
	}
	to := sixAddr(known.port)
	got, found, err := h.conn.Lookup(proto, to)
	if err != nil || !found || got.Src != to {
		return to, false, err
	}
	if got.Cookie == known.cookie || known.multipath {
		return to, true, nil
	}
	_, inside := h.remembered(got.Cookie)
	return to, inside, nil
}

// connect connects the duplicate.
func (l *listener) connect(n *unotify.Notification, s *socket) unotify.Answer {
	a, err := unotify.ReadAddress(n.TID, n.Args[1], int32(n.Args[2])) //nolint:gosec // a C int
	if err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	if !unotify.Valid(l.fd, n.ID) {
		return unotify.Fail(unix.ESRCH) // nobody is there to read it
	}
	asked, ok := a.Inet(s.domain, false, s.datagrams())
	if s.foreign || !ok {
		return l.dial(n, s, &a, true)
	}
	if errno := l.route(n, s, &a, asked); errno != 0 {
		return unotify.Fail(errno)
	}
	return l.dial(n, s, &a, asked.Addr().Unmap().IsLoopback() || loopback.IsLocalhost(asked.Addr()))
}

// route rewrites the address of a connect to where it leads from inside, or
// refuses it. A socket that is connected, or on the way to it, gets the
// kernel's own answer: the kernel does not look at the address then.
func (l *listener) route(n *unotify.Notification, s *socket, a *unotify.Address, asked netip.AddrPort) unix.Errno {
	local := loopback.IsLocalhost(asked.Addr())
	switch {
	case s.proto == "":
		// SCTP and the like. That a home has such a socket at all is because
		// it is an overlay, or was made outside.
		if local && s.connects() && l.h.spec.Isolation == loopback.Strict {
			return unix.ECONNREFUSED
		}
	case local:
		return l.redirect(s, a, asked)
	case l.h.keptFrom(s.proto, asked):
		if s.proto != loopback.TCP {
			return unix.ECONNREFUSED
		}
		a.Set(l.h.nowhere(s))
	case s.proto == loopback.TCP && !asked.Addr().Unmap().IsLoopback() && s.idle():
		return l.leaveHome(n, s)
	}
	return 0
}

// redirect rewrites a connect to localhost to where it leads from inside, or
// refuses it.
func (l *listener) redirect(s *socket, a *unotify.Address, asked netip.AddrPort) unix.Errno {
	from, err := s.local()
	if err != nil {
		return unotify.Number(err)
	}
	to, ok, errno := l.h.itself(s, asked, from), true, unix.Errno(0)
	if !to.IsValid() {
		to, ok, errno = l.h.destination(s, asked, from)
	}
	if s.domain == unix.AF_INET6 && pureSix(asked.Addr()) {
		to, ok = l.h.keepFamily(s, asked, from, to, ok)
	}
	if errno != 0 || !ok {
		return errno
	}
	if pureSix(asked.Addr()) && to.Addr().Is4() && s.v6only() {
		// Only an unbound socket can give the option up; another one gets the
		// kernel's own error from the connect.
		_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	}
	if s.datagrams() && from.Port() == 0 && to.Addr().Is4() && !s.v6only() {
		if errno := unotify.NewAddress(s.domain, netip.AddrPortFrom(l.h.spec.IP4, 0)).Bind(s.fd); errno != 0 {
			return errno
		}
	}
	if s.domain == unix.AF_INET6 && (s.datagrams() || s.idle()) {
		l.h.remember(s, asked)
	}
	a.Set(to)
	return 0
}

// dial makes the connect. near says that the other end is this machine, so
// that it answers at once or not at all.
func (l *listener) dial(n *unotify.Notification, s *socket, a *unotify.Address, near bool) unotify.Answer {
	if !s.connects() || s.nonblocking() {
		return unotify.Fail(a.Connect(s.fd))
	}
	if near {
		return l.dialBlocking(n, s, a)
	}
	own, id := *s, *n
	l.later.Go(func() {
		if got := l.dialBlocking(&id, &own, a); !got.Later {
			own.close()
			l.respond(id.ID, got)
		}
	})
	return unotify.Answer{Later: true}
}

// dialBlocking connects a socket whose program wants to wait, without waiting
// itself. The connection goes on by itself, and the waiter tells when it is
// there.
func (l *listener) dialBlocking(n *unotify.Notification, s *socket, a *unotify.Address) unotify.Answer {
	errno, limit := l.h.connectShortly(s, a)
	// EALREADY: an earlier connect was interrupted and this one goes on with it.
	if errno != unix.EINPROGRESS && errno != unix.EALREADY {
		return unotify.Fail(errno)
	}
	w := &waiting{l: l, id: n.ID, tid: n.TID, s: *s, late: errno}
	if limit != 0 {
		w.deadline = time.Now().Add(limit)
	}
	w.again = func() (unotify.Answer, bool) {
		// The connection is made or has failed: this tells which, and ends
		// the connecting as the program's own call would have.
		errno, _ := l.h.connectShortly(&w.s, a)
		return unotify.Fail(errno), errno != unix.EALREADY && errno != unix.EINPROGRESS
	}
	l.wait(w)
	return unotify.Answer{Later: true}
}

// connectShortly connects a socket that its program left blocking and waits
// for one tick of the kernel's clock at most. How long the kernel waits is the
// socket's send timeout, so it is shortened for this one call; O_NONBLOCK,
// which the program can see, stays as it is. limit is the timeout that the
// program has set, zero for none.
func (h *Home) connectShortly(s *socket, a *unotify.Address) (errno unix.Errno, limit time.Duration) {
	// Two threads may connect one socket.
	lock := &h.dialing[s.cookie%uint64(len(h.dialing))]
	lock.Lock()
	defer lock.Unlock()
	before, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err != nil {
		return unotify.Number(err), 0
	}
	short := unix.Timeval{Usec: 1}
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &short); err != nil {
		return unotify.Number(err), 0
	}
	errno = a.Connect(s.fd)
	if err := unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, before); err != nil {
		return unotify.Number(err), 0
	}
	return errno, time.Duration(before.Nano())
}

// leaveHome is for a TCP client that bound to the wildcard address, and so to
// the home, and now wants to go to another machine, which is impossible from
// a loopback address. It gets a new socket that is bound as it asked for. A
// socket that has a connection keeps it.
func (l *listener) leaveHome(n *unotify.Notification, s *socket) unix.Errno {
	asked, ok := l.h.remembered(s.cookie)
	if !ok || !asked.Addr().IsUnspecified() {
		return 0
	}
	at, err := s.local()
	if err != nil {
		return unotify.Number(err)
	}
	if at.Addr().Unmap() != l.h.spec.IP4 {
		return 0
	}
	fd, err := unix.Socket(s.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, s.raw)
	if err != nil {
		return unotify.Number(err)
	}
	fresh := socket{fd: fd, domain: s.domain, proto: s.proto, raw: s.raw}
	copyOptions(s.fd, fd)
	// The old socket goes first, for it has the port that the new one is to
	// have: the one that the program may have been shown.
	if errno := l.replace(n, s, &fresh); errno != 0 {
		fresh.close()
		return errno
	}
	errno := unotify.NewAddress(s.domain, netip.AddrPortFrom(asked.Addr(), at.Port())).Bind(s.fd)
	if errno == unix.EADDRINUSE && asked.Port() == 0 {
		errno = unotify.NewAddress(s.domain, asked).Bind(s.fd)
	}
	if errno != 0 && unotify.NewAddress(s.domain, netip.AddrPortFrom(l.h.spec.IP4, at.Port())).Bind(s.fd) == 0 {
		l.h.remember(s, asked) // as before: it may be a server yet
	}
	return errno
}
