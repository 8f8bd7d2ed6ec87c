package seccomphome

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/route"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// payloadMax is more than any datagram holds. Of a longer TCP Fast Open this
// much is sent, as a partial write.
const payloadMax = 64 << 10

// sendto sends on the duplicate, with our own copy of address and data. Only
// calls with an address come here.
func sendto(c *call) unotify.Answer {
	n := &c.n
	flags := int(int32(n.Args[3])) //nolint:gosec // a C int
	if c.s.Connects() && flags&unix.MSG_FASTOPEN == 0 {
		return unotify.LetThrough // the kernel does not look at the address
	}
	size := n.Args[2]
	if size > payloadMax {
		if !c.s.Connects() {
			return unotify.Fail(unix.EMSGSIZE)
		}
		size = payloadMax
	}
	a, err := unotify.ReadAddress(n.TID, n.Args[4], int32(n.Args[5])) //nolint:gosec // a C int
	if err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	data := c.room()[:size]
	if err := unotify.ReadMemory(n.TID, n.Args[1], data); err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	if !c.valid() {
		return unotify.Fail(unix.ESRCH) // no process is there to read it
	}
	return deliver(c, unotify.Message{Data: data, To: a, Flags: flags})
}

// room is where the data of one call is copied.
func (c *call) room() []byte {
	if c.l.payload == nil {
		c.l.payload = make([]byte, payloadMax)
	}
	return c.l.payload
}

// deliver sends a message that was copied, to where its address leads from
// inside.
func deliver(c *call, m unotify.Message) unotify.Answer {
	waits := m.Flags&unix.MSG_DONTWAIT == 0 && !c.s.Nonblocking()
	// Nothing completes a zero-copy send of our memory.
	m.Flags = m.Flags&^unix.MSG_ZEROCOPY | unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if c.s.Connects() {
		return fastOpen(c, m, waits)
	}
	asked, ok := m.To.Inet(c.s.Domain, true, true)
	if ok && !m.Bare && c.s.Datagrams() {
		switch v := c.l.h.router.Datagram(&c.s, asked); v.Do {
		case route.Refuse:
			return m.Result(0, v.Errno)
		case route.Lead:
			readdress(c.l.h, &c.s, &m, v)
		}
	}
	sent, errno := m.Send(c.s.FD)
	if errno != unix.EAGAIN || !waits {
		return m.Result(sent, errno)
	}
	return sendLater(c, m, func(m *unotify.Message, fd int) (int64, unix.Errno) { return m.Send(fd) })
}

// readdress leads a datagram into the home.
func readdress(h *Home, s *socket.Socket, m *unotify.Message, v route.Verdict) {
	if v.From.Addr().IsUnspecified() && !h.memory.Has(s.Cookie) {
		// Others inside may answer it: see route's clientSix.
		h.memory.Remember(s, netip.AddrPortFrom(v.From.Addr(), 0))
	}
	if v.From.Addr().IsUnspecified() && v.To.Addr().Is4() {
		// The socket stays free to speak to others, but speaks to this one
		// from the home.
		m.Source = h.spec.IP4
		if s.Domain == unix.AF_INET6 && s.V6Only() && v.From.Port() == 0 {
			s.AllowIPv4()
		}
	}
	m.To.Set(v.To)
}

// fastOpen is a connect that carries data (MSG_FASTOPEN, RFC 7413).
func fastOpen(c *call, m unotify.Message, waits bool) unotify.Answer {
	if asked, ok := m.To.Inet(c.s.Domain, false, false); ok && !c.s.Foreign && !m.Bare {
		if errno := follow(c, &m.To, asked, c.l.h.router.Connect(&c.s, asked)); errno != 0 {
			return m.Result(0, errno)
		}
	}
	sent, errno := m.Send(c.s.FD)
	if !waits || errno != unix.EINPROGRESS && errno != unix.EALREADY && errno != unix.EAGAIN {
		return m.Result(sent, errno)
	}
	d, cookie := &c.l.h.dialer, c.s.Cookie
	return sendLater(c, m, func(m *unotify.Message, fd int) (int64, unix.Errno) {
		errno, _ := d.connect(&socket.Socket{FD: fd, Cookie: cookie}, &m.To)
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
func sendLater(c *call, m unotify.Message, send func(*unotify.Message, int) (int64, unix.Errno)) unotify.Answer {
	m.Data = slices.Clone(m.Data)
	w := &waiting{late: unix.EAGAIN}
	limit, err := unix.GetsockoptTimeval(c.s.FD, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err == nil && limit.Nano() != 0 {
		w.deadline = time.Now().Add(time.Duration(limit.Nano()))
	}
	w.again = func() (unotify.Answer, bool) {
		sent, errno := send(&m, w.s.FD)
		return m.Result(sent, errno), errno != unix.EAGAIN
	}
	return c.wait(w)
}
