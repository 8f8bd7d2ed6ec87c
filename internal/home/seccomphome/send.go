package seccomphome

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
	"unsafe"

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
	if l.payload == nil {
		l.payload = make([]byte, payloadMax)
	}
	data := l.payload[:size]
	if err := readMemory(n.tid, n.args[1], data); err != nil {
		return fail(number(err))
	}
	if !valid(l.fd, n.id) {
		return fail(unix.ESRCH) // nobody is there to read it
	}
	m := message{data: data, to: a, flags: flags | unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL}
	if s.connects() {
		return l.fastOpen(n, s, &m, flags)
	}
	asked, ok := a.inet(s.domain, true, true)
	if s.proto == loopback.UDP && ok && loopback.IsLocalhost(asked.Addr()) {
		if errno := l.readdress(s, &m, asked); errno != 0 {
			return fail(errno)
		}
	}
	sent, errno := m.send(s.fd)
	if errno != unix.EAGAIN || flags&unix.MSG_DONTWAIT != 0 || s.nonblocking() {
		return answer{val: sent, errno: errno}
	}
	return l.sendLater(n, s, m, func(m *message, fd int) (int64, unix.Errno) { return m.send(fd) })
}

// readdress leads a datagram for localhost to where that is from inside.
func (l *listener) readdress(s *socket, m *message, asked netip.AddrPort) unix.Errno {
	from, err := s.local()
	if err != nil {
		return number(err)
	}
	to, found, err := l.h.resolve(s.proto, asked, from)
	switch {
	case err != nil:
		return number(err)
	case !found && l.h.spec.Isolation == loopback.Strict:
		return unix.ECONNREFUSED
	case !found:
		return 0
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
	m.to.set(to)
	return 0
}

// fastOpen is a connect that carries data (MSG_FASTOPEN, RFC 7413).
func (l *listener) fastOpen(n *notification, s *socket, m *message, flags int) answer {
	asked, ok := m.to.inet(s.domain, false, false)
	errno := unix.Errno(0)
	switch {
	case s.proto == "" || !ok:
	case loopback.IsLocalhost(asked.Addr()):
		errno = l.redirect(s, &m.to, asked)
	case !asked.Addr().Unmap().IsLoopback():
		errno = l.leaveHome(n, s)
	}
	if errno != 0 {
		return fail(errno)
	}
	sent, errno := m.send(s.fd)
	waits := flags&unix.MSG_DONTWAIT == 0 && !s.nonblocking()
	if !waits || errno != unix.EINPROGRESS && errno != unix.EALREADY && errno != unix.EAGAIN {
		return answer{val: sent, errno: errno}
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
		return answer{val: sent, errno: errno}, errno != unix.EAGAIN
	}
	l.wait(w)
	return answer{later: true}
}

// message is what one send sends.
type message struct {
	data []byte
	// bare is without an address; an address of no bytes is another thing.
	bare  bool
	to    address
	flags int
	// source is the IPv4 address to send from, or the zero value.
	source netip.Addr
}

func (m *message) send(fd int) (int64, unix.Errno) {
	var data unsafe.Pointer
	if len(m.data) > 0 {
		data = unsafe.Pointer(&m.data[0])
	}
	if !m.source.IsValid() {
		to := unsafe.Pointer(&m.to.b)
		if m.bare {
			to = nil
		}
		n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(data), uintptr(len(m.data)), uintptr(m.flags), uintptr(to), uintptr(m.to.n))
		return result(n, errno)
	}
	// IP_PKTINFO (ip(7)); it is taken on an IPv6 socket too, where the
	// destination is IPv4-mapped.
	var control [unix.SizeofCmsghdr + 16]byte
	binary.NativeEndian.PutUint64(control[0:], unix.SizeofCmsghdr+unix.SizeofInet4Pktinfo)
	binary.NativeEndian.PutUint32(control[8:], unix.IPPROTO_IP)
	binary.NativeEndian.PutUint32(control[12:], unix.IP_PKTINFO)
	ip := m.source.As4()
	copy(control[unix.SizeofCmsghdr+4:], ip[:]) // ipi_spec_dst
	iov := unix.Iovec{Base: (*byte)(data), Len: uint64(len(m.data))}
	h := unix.Msghdr{
		Name: &m.to.b[0], Namelen: uint32(m.to.n), //nolint:gosec // checked by inet
		Iov: &iov, Iovlen: 1,
		Control: &control[0], Controllen: uint64(len(control)),
	}
	n, _, errno := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&h)), uintptr(m.flags))
	return result(n, errno)
}

func result(n uintptr, errno unix.Errno) (int64, unix.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return int64(n), 0 //nolint:gosec // at most payloadMax
}
