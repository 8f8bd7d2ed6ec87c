package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// destination returns where what is sent to localhost goes. ok is false where
// it goes to the machine's own.
func (h *Home) destination(s *socket, asked, from netip.AddrPort) (to netip.AddrPort, ok bool, errno unix.Errno) {
	to, found, err := h.resolve(s.proto, asked, from)
	switch {
	case err != nil:
		return to, false, unotify.Number(err)
	case found:
		return to, true, 0
	case h.spec.Isolation != loopback.Strict:
		return to, false, 0
	case s.proto == loopback.TCP:
		return h.nowhere(s), true, 0
	}
	// No process inside listens: the kernel says so, unless a server of the
	// machine that is bound to the wildcard address would get it.
	to = netip.AddrPortFrom(h.spec.IP4, asked.Port())
	if from.Addr() == netip.IPv6Loopback() || pureSix(asked.Addr()) && from.Port() != 0 && s.v6only() {
		to = sixAddr(asked.Port()) // it cannot send to an IPv4 address
	}
	_, taken, err := h.conn.Lookup(s.proto, to)
	switch {
	case err != nil:
		return to, false, unotify.Number(err)
	case taken:
		return to, false, unix.ECONNREFUSED
	}
	return to, true, 0
}

// nowhere is an address that no socket can listen at, port 0, for a TCP
// connect that is to be refused: the kernel does it, at the moment and with
// the errors that a program expects of a closed port.
func (h *Home) nowhere(s *socket) netip.AddrPort {
	if s.v6only() {
		return sixAddr(0)
	}
	return netip.AddrPortFrom(h.spec.IP4, 0)
}

// keptFrom reports whether a strict home keeps its programs from an address:
// a loopback address of the machine, or another home's. What the home itself
// bound there is its own, and the machine's resolver leads to addresses that
// are left alone.
func (h *Home) keptFrom(proto loopback.Protocol, asked netip.AddrPort) bool {
	ip := asked.Addr().Unmap()
	switch {
	case h.spec.Isolation != loopback.Strict || ip == h.spec.IP4:
		return false
	case loopback.Home6Range.Contains(ip):
		return ip != loopback.Home6(h.spec.IP4)
	case !ip.IsLoopback() || isResolver(netip.AddrPortFrom(ip, asked.Port())):
		return false
	}
	got, found, err := h.conn.Lookup(proto, netip.AddrPortFrom(ip, asked.Port()))
	if err != nil || !found {
		return true
	}
	_, inside := h.remembered(got.Cookie)
	return !inside
}

// isResolver reports whether an address is one of systemd-resolved(8).
func isResolver(at netip.AddrPort) bool {
	return at == netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 53}), 53) ||
		at == netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 54}), 53)
}

// itself returns the address of a TCP socket that connects to its own port (a
// simultaneous open), or the zero value.
func (h *Home) itself(s *socket, asked, from netip.AddrPort) netip.AddrPort {
	if s.proto != loopback.TCP || from.Port() == 0 || !s.idle() {
		return netip.AddrPort{}
	}
	ip := from.Addr().Unmap()
	if ip == h.spec.IP4 && from.Port() == asked.Port() {
		return netip.AddrPortFrom(ip, from.Port())
	}
	if ip != netip.IPv6Loopback() || !pureSix(asked.Addr()) {
		return netip.AddrPort{}
	}
	if port, ok := h.realSix(s.proto, from.Port()); ok && port == asked.Port() {
		return from
	}
	return netip.AddrPort{}
}

// keepFamily changes where a connect of an IPv6 socket to ::1 leads, to and ok
// of destination, for a socket that can reach IPv4 addresses only: one that is
// bound to an IPv4-mapped address, or a TCP one that was connected to one. The
// kernel keeps the IPv4 operations of the latter over a disconnect, and a
// connect to an IPv6 address sends nothing then.
func (h *Home) keepFamily(s *socket, asked, from, to netip.AddrPort, ok bool) (netip.AddrPort, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, was := h.mapped.get(s.cookie)
	if was || from.Addr().Is4In6() {
		switch {
		case !ok:
			to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), asked.Port())
		case to.Addr().Is6():
			to = netip.AddrPortFrom(h.spec.IP4, asked.Port()) // nobody listens there
		}
		ok = true
	}
	if ok && s.proto == loopback.TCP && to.Addr().Is4() {
		h.mapped.put(s.cookie, struct{}{})
	}
	return to, ok
}

// clientSix returns the address of a datagram client inside that has a port of
// ::1, so that its server, at from, can answer it.
func (h *Home) clientSix(proto loopback.Protocol, port uint16, from netip.AddrPort) (netip.AddrPort, bool, error) {
	to := sixAddr(port)
	if !isDatagram(proto) || !from.IsValid() {
		return to, false, nil
	}
	got, found, err := h.conn.Lookup(proto, to)
	if err == nil && !found && from.Addr() == netip.IPv6Loopback() {
		got, found, err = h.conn.LookupPair(proto, to, from) // connected to the server
	}
	if err != nil || !found || got.Family != unix.AF_INET6 {
		return to, false, err
	}
	_, inside := h.remembered(got.Cookie)
	return to, inside && !got.Src.Addr().Is4In6(), nil
}

// realSix returns the port that a program asked for and was given another of
// ::1 instead, which is port.
func (h *Home) realSix(proto loopback.Protocol, port uint16) (uint16, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked, ok := h.sixReal[portKey{proto, port}]
	return asked, ok
}
