package seccomphome

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// payloadMax is more than any datagram holds. Of a longer TCP Fast Open this
// much is sent, as a partial write.
const payloadMax = 64 << 10

// sendto sends on the duplicate, with our own copy of address and data. Only
// calls with an address come here.
func (l *listener) sendto(n *notification, s *socket) answer {
	flags := int(int32(n.args[3])) //nolint:gosec // a C int
	if s.connects() && flags&unix.MSG_FASTOPEN == 0 {
		return letThrough // the kernel does not look at the address
	}
	size := n.args[2]
	if size > payloadMax {
		if !s.connects() {
			return fail(unix.EMSGSIZE)
		}
		size = payloadMax
	}
	a, err := readAddress(n.tid, n.args[4], int32(n.args[5])) //nolint:gosec // a C int
	if err != nil {
		return fail(number(err))
	}
	data := l.room()[:size]
	if err := readMemory(n.tid, n.args[1], data); err != nil {
		return fail(number(err))
	}
	if !valid(l.fd, n.id) {
		return fail(unix.ESRCH) // nobody is there to read it
	}
	return l.deliver(n, s, message{data: data, to: a, flags: flags})
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
func (l *listener) deliver(n *notification, s *socket, m message) answer {
	waits := m.flags&unix.MSG_DONTWAIT == 0 && !s.nonblocking()
	// Nothing completes a zero-copy send of our memory.
	m.flags = m.flags&^unix.MSG_ZEROCOPY | unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if s.connects() {
		return l.fastOpen(n, s, &m, waits)
	}
	asked, ok := m.to.inet(s.domain, true, true)
	if ok && !m.bare && s.datagrams() {
		errno := unix.Errno(0)
		switch {
		case loopback.IsLocalhost(asked.Addr()):
			errno = l.readdress(s, &m, asked)
		case l.h.keptFrom(s.proto, asked):
			errno = unix.ECONNREFUSED
		}
		if errno != 0 {
			return m.result(0, errno)
		}
	}
	sent, errno := m.send(s.fd)
	if errno != unix.EAGAIN || !waits {
		return m.result(sent, errno)
	}
	return l.sendLater(n, s, m, func(m *message, fd int) (int64, unix.Errno) { return m.send(fd) })
}

// readdress leads a datagram for localhost to where that is from inside.
func (l *listener) readdress(s *socket, m *message, asked netip.AddrPort) unix.Errno {
	from, err := s.local()
	if err != nil {
		return number(err)
	}
	to, ok, errno := l.h.destination(s, asked, from)
	if errno != 0 || !ok {
		return errno
	}
	if to.Addr().Is4() && from.Addr().IsUnspecified() {
		// The socket stays free to speak to others, but speaks to this one
		// from the home. Others inside may answer it.
		m.source = l.h.spec.IP4
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
	m.to.set(to)
	return 0
}

// fastOpen is a connect that carries data (MSG_FASTOPEN, RFC 7413).
func (l *listener) fastOpen(n *notification, s *socket, m *message, waits bool) answer {
	if asked, ok := m.to.inet(s.domain, false, false); ok && !s.foreign && !m.bare {
		if errno := l.route(n, s, &m.to, asked); errno != 0 {
			return m.result(0, errno)
		}
	}
	sent, errno := m.send(s.fd)
	if !waits || errno != unix.EINPROGRESS && errno != unix.EALREADY && errno != unix.EAGAIN {
		return m.result(sent, errno)
	}
	return l.sendLater(n, s, *m, func(m *message, fd int) (int64, unix.Errno) {
		errno, _ := l.h.connectShortly(&socket{fd: fd, cookie: s.cookie}, &m.to)
		switch errno {
		case unix.EALREADY, unix.EINPROGRESS:
			return 0, unix.EAGAIN
		case 0, unix.EISCONN:
			plain := message{data: m.data, flags: m.flags &^ unix.MSG_FASTOPEN, bare: true}
			return plain.send(fd)
		}
		return 0, errno
	})
}

// sendLater sends when the socket can take it.
func (l *listener) sendLater(n *notification, s *socket, m message, send func(*message, int) (int64, unix.Errno)) answer {
	m.data = slices.Clone(m.data)
	w := &waiting{l: l, id: n.id, tid: n.tid, s: *s, late: unix.EAGAIN}
	limit, err := unix.GetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err == nil && limit.Nano() != 0 {
		w.deadline = time.Now().Add(time.Duration(limit.Nano()))
	}
	w.again = func() (answer, bool) {
		sent, errno := send(&m, w.s.fd)
		return m.result(sent, errno), errno != unix.EAGAIN
	}
	l.wait(w)
	return answer{later: true}
}
