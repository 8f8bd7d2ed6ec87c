package seccomphome

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// destination returns where what is sent to localhost goes. ok is false where
// it goes to the machine's own.
func (h *Home) destination(s *socket, asked, from netip.AddrPort) (to netip.AddrPort, ok bool, errno unix.Errno) {
	to, found, err := h.resolve(s.proto, asked, from)
	switch {
	case err != nil:
		return to, false, number(err)
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
		return to, false, number(err)
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
