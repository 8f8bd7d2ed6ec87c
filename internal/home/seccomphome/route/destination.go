package route

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// destination returns where what is sent to localhost goes. ok is false where
// it goes to the machine's own.
func (r *Router) destination(s *socket.Socket, asked, from netip.AddrPort) (to netip.AddrPort, ok bool, errno unix.Errno) {
	to, found, err := r.Resolve(s.Proto, asked, from)
	switch {
	case err != nil:
		return to, false, unotify.Number(err)
	case found:
		return to, true, 0
	case !r.Strict:
		return to, false, 0
	case s.Proto == loopback.TCP:
		return r.nowhere(s), true, 0
	}
	// No process inside listens: the kernel says so, unless a server of the
	// machine that is bound to the wildcard address would get it.
	to = netip.AddrPortFrom(r.IP4, asked.Port())
	if from.Addr() == netip.IPv6Loopback() || table.IsIPv6(asked.Addr()) && from.Port() != 0 && s.V6Only() {
		to = table.Loopback6(asked.Port()) // it cannot send to an IPv4 address
	}
	_, taken, err := r.Kernel.Lookup(s.Proto, to)
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
func (r *Router) nowhere(s *socket.Socket) netip.AddrPort {
	if s.V6Only() {
		return table.Loopback6(0)
	}
	return netip.AddrPortFrom(r.IP4, 0)
}

// keptFrom reports whether a strict home keeps its programs from an address:
// a loopback address of the machine, or another home's. What the home itself
// bound there is its own, and the machine's resolver leads to addresses that
// are left alone.
func (r *Router) keptFrom(proto loopback.Protocol, asked netip.AddrPort) bool {
	ip := asked.Addr().Unmap()
	switch {
	case !r.Strict || ip == r.IP4:
		return false
	case loopback.Home6Range.Contains(ip):
		return ip != loopback.Home6(r.IP4)
	case !ip.IsLoopback() || isResolver(netip.AddrPortFrom(ip, asked.Port())):
		return false
	}
	got, found, err := r.Kernel.Lookup(proto, netip.AddrPortFrom(ip, asked.Port()))
	return err != nil || !found || !r.Memory.Has(got.Cookie)
}

// isResolver reports whether an address is one of systemd-resolved(8).
func isResolver(at netip.AddrPort) bool {
	return at == netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 53}), 53) ||
		at == netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 54}), 53)
}

// itself returns the address of a TCP socket that connects to its own port (a
// simultaneous open), or the zero value.
func (r *Router) itself(s *socket.Socket, asked, from netip.AddrPort) netip.AddrPort {
	if s.Proto != loopback.TCP || from.Port() == 0 || !s.Idle() {
		return netip.AddrPort{}
	}
	ip := from.Addr().Unmap()
	if ip == r.IP4 && from.Port() == asked.Port() {
		return netip.AddrPortFrom(ip, from.Port())
	}
	if ip != netip.IPv6Loopback() || !table.IsIPv6(asked.Addr()) {
		return netip.AddrPort{}
	}
	if port, ok := r.Six.Asked(s.Proto, from.Port()); ok && port == asked.Port() {
		return from
	}
	return netip.AddrPort{}
}

// keepFamily changes where a connect of an IPv6 socket to ::1 leads, to and ok
// of destination, for a socket that can reach IPv4 addresses only: one that is
// bound to an IPv4-mapped address, or a TCP one that was connected to one. The
// kernel keeps the IPv4 operations of the latter over a disconnect, and a
// connect to an IPv6 address sends nothing then.
func (r *Router) keepFamily(s *socket.Socket, asked, from, to netip.AddrPort, ok bool) (netip.AddrPort, bool) {
	if r.Memory.WasMapped(s.Cookie) || from.Addr().Is4In6() {
		switch {
		case !ok:
			to = netip.AddrPortFrom(localhost, asked.Port())
		case to.Addr().Is6():
			to = netip.AddrPortFrom(r.IP4, asked.Port()) // no socket listens there
		}
		ok = true
	}
	if ok && s.Proto == loopback.TCP && to.Addr().Is4() {
		r.Memory.KeepMapped(s.Cookie)
	}
	return to, ok
}
