package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// bind binds the duplicate: what asks for localhost or for every interface
// goes to the home, anything else where it asks for.
func (l *listener) bind(n *unotify.Notification, s *socket) unotify.Answer {
	a, err := unotify.ReadAddress(n.TID, n.Args[1], int32(n.Args[2])) //nolint:gosec // a C int
	if err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	if !unotify.Valid(l.fd, n.ID) {
		return unotify.Fail(unix.ESRCH) // nobody is there to read it
	}
	asked, ok := a.Inet(s.domain, true, false)
	if ok && a.Family() == unix.AF_UNSPEC && !asked.Addr().IsUnspecified() {
		ok = false // the kernel takes only this form of it (inet_bind)
	}
	if s.proto == "" || !ok || !loopback.IsLocalhost(asked.Addr()) {
		errno := a.Bind(s.fd)
		if errno == 0 && s.proto != "" && ok && asked.Addr().Unmap().IsLoopback() && l.h.spec.Isolation == loopback.Strict {
			l.h.remember(s, asked) // see keptFrom
		}
		return l.bound(n, s, netip.AddrPort{}, errno)
	}
	if s.datagrams() && asked.Addr().IsUnspecified() && asked.Port() == 0 {
		// A client that wants a port. At the home it could only speak to this
		// machine, and the table says that other addresses are untouched.
		return l.bound(n, s, asked, a.Bind(s.fd))
	}
	if errno := l.leased(s, asked.Port()); errno != 0 {
		return l.bound(n, s, asked, errno)
	}
	if l.takeOver(n, s, asked) {
		return l.bound(n, s, asked, 0)
	}
	// A mapped address is refused by the kernel (EINVAL).
	if s.v6only() && !asked.Addr().Is4In6() {
		return l.bound(n, s, asked, l.bindSix(s, asked))
	}
	a.Set(netip.AddrPortFrom(l.h.spec.IP4, asked.Port()))
	errno := a.Bind(s.fd)
	if errno == unix.EADDRINUSE {
		errno = l.bindAgain(s, asked, &a)
	}
	return l.bound(n, s, asked, errno)
}

// bindAgain finds out whether a bind was refused only because of what lodge
// itself did.
func (l *listener) bindAgain(s *socket, asked netip.AddrPort, a *unotify.Address) unix.Errno {
	if asked.Addr() == netip.IPv6Loopback() && l.onlyFour(s.proto, asked.Port()) {
		// 127.0.0.1:P and ::1:P are two addresses to the program.
		return l.bindSix(s, asked)
	}
	if l.yieldLease(s, asked.Port()) {
		return a.Bind(s.fd)
	}
	return unix.EADDRINUSE
}

// onlyFour reports whether the port is taken in the home by an IPv4 socket and
// by no IPv6 one.
func (l *listener) onlyFour(proto loopback.Protocol, port uint16) bool {
	at := netip.AddrPortFrom(l.h.spec.IP4, port)
	got, found, err := l.h.conn.Lookup(proto, at)
	return err == nil && found && got.Family == unix.AF_INET && got.Src == at
}

// bindSix binds a socket that serves IPv6 only: to ::1, the only such address
// there is, at a port of the kernel's choice, which is kept in a table.
func (l *listener) bindSix(s *socket, asked netip.AddrPort) unix.Errno {
	h := l.h
	key := portKey{s.proto, asked.Port()}
	h.mu.Lock()
	known, again := h.six[key]
	h.mu.Unlock()
	if asked.Port() != 0 && again {
		// The kernel itself decides whether two may share it.
		at := sixAddr(known.port)
		errno := unotify.NewAddress(unix.AF_INET6, at).Bind(s.fd)
		if errno != unix.EADDRINUSE || !h.stolen(s.proto, at, known) {
			if errno == 0 {
				h.putSix(key, s, known.port, l.service)
			}
			return errno
		}
	}
	if errno := unotify.NewAddress(unix.AF_INET6, sixAddr(0)).Bind(s.fd); errno != 0 {
		return errno
	}
	at, err := s.local()
	if err != nil {
		return unotify.Number(err)
	}
	if key.port == 0 {
		key.port = at.Port()
	}
	h.putSix(key, s, at.Port(), l.service)
	return 0
}

func (h *Home) putSix(key portKey, s *socket, port uint16, service string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if old, ok := h.six[key]; ok {
		delete(h.sixReal, portKey{key.proto, old.port})
	}
	h.six[key] = sixPort{port: port, cookie: s.cookie, service: service, multipath: s.raw == unix.IPPROTO_MPTCP}
	h.sixReal[portKey{key.proto, port}] = key.port
}

// stolen reports whether somebody else listens where one of ours once was.
func (h *Home) stolen(proto loopback.Protocol, at netip.AddrPort, known sixPort) bool {
	got, found, err := h.conn.Lookup(proto, at)
	if err != nil || !found || got.Cookie == known.cookie || known.multipath {
		return false
	}
	_, inside := h.remembered(got.Cookie)
	return !inside
}

// bound does what follows a bind. asked is the zero value where the home has
// nothing to do with it.
func (l *listener) bound(n *unotify.Notification, s *socket, asked netip.AddrPort, errno unix.Errno) unotify.Answer {
	if errno == unix.EADDRINUSE && asked.IsValid() {
		l.h.conflict(l.service, s.proto, asked.Port())
	}
	if errno != 0 {
		return unotify.Fail(errno)
	}
	l.note(n.TID)
	if asked.IsValid() {
		l.h.remember(s, asked)
		l.h.boundBy(s.cookie, l.service)
	}
	if s.datagrams() {
		l.register(s)
	}
	l.h.changed()
	return unotify.Answer{}
}

// listen makes a socket listen; one without an address gets the home's first.
func (l *listener) listen(n *unotify.Notification, s *socket) unotify.Answer {
	if s.proto == loopback.TCP {
		if errno := l.settle(n, s); errno != 0 {
			return unotify.Fail(errno)
		}
	}
	_, _, errno := unix.Syscall(unix.SYS_LISTEN, uintptr(s.fd), uintptr(n.Args[1]), 0)
	if errno != 0 {
		return unotify.Fail(errno)
	}
	l.note(n.TID)
	l.register(s)
	l.h.changed()
	return unotify.Answer{}
}

// settle makes sure that a socket that is about to listen is bound to the
// home. One that was connected, or tried to, and gave that up has lost its
// address: it shows a port, and would listen on all interfaces.
func (l *listener) settle(n *unotify.Notification, s *socket) unix.Errno {
	at, err := s.local()
	if err != nil {
		return unotify.Number(err)
	}
	if !at.Addr().Unmap().IsUnspecified() || !s.idle() {
		return 0
	}
	// The kernel may have let go of the port that it shows still.
	errno := l.bindHere(s)
	if errno != unix.EINVAL || at.Port() == 0 {
		return errno
	}
	return l.comeHome(n, s, at)
}

// comeHome puts a fresh socket, bound to the home, in the place of one that is
// bound to the wildcard address and a port.
func (l *listener) comeHome(n *unotify.Notification, s *socket, at netip.AddrPort) unix.Errno {
	fd, err := unix.Socket(s.domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, s.raw)
	if err != nil {
		return unotify.Number(err)
	}
	fresh := socket{fd: fd, domain: s.domain, proto: s.proto, raw: s.raw}
	copyOptions(s.fd, fd)
	errno := l.leased(&fresh, at.Port())
	if errno == 0 {
		// The old one goes first, for it has the port.
		errno = l.replace(n, s, &fresh)
	}
	if errno != 0 {
		fresh.close()
		return errno
	}
	if s.v6only() {
		errno = l.bindSix(s, at)
	} else {
		errno = unotify.NewAddress(s.domain, netip.AddrPortFrom(l.h.spec.IP4, at.Port())).Bind(s.fd)
	}
	if errno == 0 {
		l.h.remember(s, at)
	}
	return errno
}

// bindHere returns a socket without an address one of the home, at a port of
// the kernel's choice.
func (l *listener) bindHere(s *socket) unix.Errno {
	if s.v6only() {
		asked := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
		errno := l.bindSix(s, asked)
		if errno == 0 {
			l.h.remember(s, asked)
		}
		return errno
	}
	return unotify.NewAddress(s.domain, netip.AddrPortFrom(l.h.spec.IP4, 0)).Bind(s.fd)
}

// register keeps whose the socket at an address is.
func (l *listener) register(s *socket) {
	at, err := s.local()
	if err != nil || s.proto == "" || !l.h.isHere(s.proto, at) {
		return
	}
	l.h.know(s)
	l.h.own(endKey{s.proto, at}, l.h.shownCookie(s, at), l.service)
}

// isHere reports whether an address, as the kernel shows it, is in this home.
func (h *Home) isHere(proto loopback.Protocol, at netip.AddrPort) bool {
	if at.Addr().Unmap() == h.spec.IP4 {
		return true
	}
	if at.Addr() != netip.IPv6Loopback() {
		return false
	}
	_, ok := h.realSix(proto, at.Port())
	return ok
}
