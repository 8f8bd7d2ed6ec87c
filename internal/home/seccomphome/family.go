package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

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
