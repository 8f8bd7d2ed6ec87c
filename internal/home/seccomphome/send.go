package seccomphome

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// payloadMax is more than any datagram holds. Of a longer TCP Fast Open this
// much is sent, as a partial write.
const payloadMax = 64 << 10

// sendto sends on the duplicate, with our own copy of address and data. Only
// calls with an address come here.
func (l *listener) sendto(n *unotify.Notification, s *socket) unotify.Answer {
	flags := int(int32(n.Args[3])) //nolint:gosec // a C int
	if s.connects() && flags&unix.MSG_FASTOPEN == 0 {
		return unotify.LetThrough // the kernel does not look at the address
	}
	size := n.Args[2]
	if size > payloadMax {
		if !s.connects() {
			return unotify.Fail(unix.EMSGSIZE)
		}
		size = payloadMax
	}
	a, err := unotify.ReadAddress(n.TID, n.Args[4], int32(n.Args[5])) //nolint:gosec // a C int
	if err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	data := l.room()[:size]
	if err := unotify.ReadMemory(n.TID, n.Args[1], data); err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	if !unotify.Valid(l.fd, n.ID) {
		return unotify.Fail(unix.ESRCH) // nobody is there to read it
	}
	return l.deliver(n, s, unotify.Message{Data: data, To: a, Flags: flags})
}

// room is where the data of one call is copied.
func (l *listener) room() []byte {
	if l.payload == nil {
		l.payload = make([]byte, payloadMax)
	}
	return l.payload
}

// deliver sends a message that was copied, to where its address leads from
// inside.
func (l *listener) deliver(n *unotify.Notification, s *socket, m unotify.Message) unotify.Answer {
	waits := m.Flags&unix.MSG_DONTWAIT == 0 && !s.nonblocking()
	// Nothing completes a zero-copy send of our memory.
	m.Flags = m.Flags&^unix.MSG_ZEROCOPY | unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if s.connects() {
		return l.fastOpen(n, s, &m, waits)
	}
	asked, ok := m.To.Inet(s.domain, true, true)
	if ok && !m.Bare && s.datagrams() {
		errno := unix.Errno(0)
		switch {
		case loopback.IsLocalhost(asked.Addr()):
			errno = l.readdress(s, &m, asked)
		case l.h.keptFrom(s.proto, asked):
			errno = unix.ECONNREFUSED
		}
		if errno != 0 {
			return m.Result(0, errno)
		}
	}
	sent, errno := m.Send(s.fd)
	if errno != unix.EAGAIN || !waits {
		return m.Result(sent, errno)
	}
	return l.sendLater(n, s, m, func(m *unotify.Message, fd int) (int64, unix.Errno) { return m.Send(fd) })
}

// readdress leads a datagram for localhost to where that is from inside.
func (l *listener) readdress(s *socket, m *unotify.Message, asked netip.AddrPort) unix.Errno {
	from, err := s.local()
	if err != nil {
		return unotify.Number(err)
	}
	to, ok, errno := l.h.destination(s, asked, from)
	if errno != 0 || !ok {
		return errno
	}
	if to.Addr().Is4() && from.Addr().IsUnspecified() {
		// The socket stays free to speak to others, but speaks to this one
		// from the home. Others inside may answer it.
		m.Source = l.h.spec.IP4
		if _, ok := l.h.remembered(s.cookie); !ok {
			l.h.remember(s, netip.AddrPortFrom(from.Addr(), 0))
		}
		if s.domain == unix.AF_INET6 && s.v6only() && from.Port() == 0 {
			// As in redirect.
			_ = unix.SetsockoptInt(s.fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
		}
	}
	if pureSix(to.Addr()) && from.Addr().IsUnspecified() {
		if _, ok := l.h.remembered(s.cookie); !ok {
			l.h.remember(s, netip.AddrPortFrom(from.Addr(), 0)) // see clientSix
		}
	}
	m.To.Set(to)
	return 0
}

// fastOpen is a connect that carries data (MSG_FASTOPEN, RFC 7413).
func (l *listener) fastOpen(n *unotify.Notification, s *socket, m *unotify.Message, waits bool) unotify.Answer {
	if asked, ok := m.To.Inet(s.domain, false, false); ok && !s.foreign && !m.Bare {
		if errno := l.route(n, s, &m.To, asked); errno != 0 {
			return m.Result(0, errno)
		}
	}
	sent, errno := m.Send(s.fd)
	if !waits || errno != unix.EINPROGRESS && errno != unix.EALREADY && errno != unix.EAGAIN {
		return m.Result(sent, errno)
	}
	return l.sendLater(n, s, *m, func(m *unotify.Message, fd int) (int64, unix.Errno) {
		errno, _ := l.h.connectShortly(&socket{fd: fd, cookie: s.cookie}, &m.To)
		switch errno {
		case unix.EALREADY, unix.EINPROGRESS:
			return 0, unix.EAGAIN
		case 0, unix.EISCONN:
			plain := unotify.Message{Data: m.Data, Flags: m.Flags &^ unix.MSG_FASTOPEN, Bare: true}
			return plain.Send(fd)
		}
		return 0, errno
	})
}

// sendLater sends when the socket can take it.
func (l *listener) sendLater(n *unotify.Notification, s *socket, m unotify.Message, send func(*unotify.Message, int) (int64, unix.Errno)) unotify.Answer {
	m.Data = slices.Clone(m.Data)
	w := &waiting{l: l, id: n.ID, tid: n.TID, s: *s, late: unix.EAGAIN}
	limit, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err == nil && limit.Nano() != 0 {
		w.deadline = time.Now().Add(time.Duration(limit.Nano()))
	}
	w.again = func() (unotify.Answer, bool) {
		sent, errno := send(&m, w.s.fd)
		return m.Result(sent, errno), errno != unix.EAGAIN
	}
	l.wait(w)
	return unotify.Answer{Later: true}
}
