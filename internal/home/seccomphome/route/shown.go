package route

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

var localhost = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// Shown returns what a program is shown for an address of its socket or of its
// peer.
func (r *Router) Shown(s *socket.Socket, seen netip.AddrPort) netip.AddrPort {
	ip := seen.Addr()
	if s.Domain == unix.AF_INET {
		if ip == r.IP4 {
			return netip.AddrPortFrom(localhost, seen.Port())
		}
		return seen
	}
	switch {
	case ip == netip.IPv6Loopback():
		if port, ok := r.Six.Asked(s.Proto, seen.Port()); ok {
			return netip.AddrPortFrom(ip, port)
		}
	case ip.Unmap() == r.IP4 || ip.Unmap() == localhost:
		if asked, ok := r.Memory.Asked(s.Cookie); ok && table.IsIPv6(asked.Addr()) {
			return netip.AddrPortFrom(netip.IPv6Loopback(), seen.Port())
		}
		return netip.AddrPortFrom(unotify.Mapped(localhost), seen.Port())
	}
	return seen
}

// IsHere reports whether an address, as the kernel shows it, is in this home.
func (r *Router) IsHere(proto loopback.Protocol, at netip.AddrPort) bool {
	if at.Addr().Unmap() == r.IP4 {
		return true
	}
	if at.Addr() != netip.IPv6Loopback() {
		return false
	}
	_, ok := r.Six.Asked(proto, at.Port())
	return ok
}
