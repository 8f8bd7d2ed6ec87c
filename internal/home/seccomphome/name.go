package seccomphome

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// name answers getsockname and getpeername with the address that the program
// asked for. Where that is the real one, the kernel answers.
func (l *listener) name(n *notification, s *socket) answer {
	var a address
	if errno := a.ask(uintptr(n.nr), s.fd); errno != 0 { //nolint:gosec // a call's number
		return fail(errno)
	}
	seen, ok := a.inet(s.domain, false, false)
	if s.proto == "" || !ok {
		return letThrough
	}
	shown := l.h.shown(s, seen)
	if shown == seen {
		return letThrough
	}
	a.set(shown)
	// The caller says how much room it has, and is told how much there would
	// be (getsockname(2)).
	var room [4]byte
	if err := readMemory(n.tid, n.args[2], room[:]); err != nil {
		return fail(number(err))
	}
	size := int32(binary.NativeEndian.Uint32(room[:])) //nolint:gosec // a C int
	if size < 0 {
		return fail(unix.EINVAL)
	}
	if !valid(l.fd, n.id) {
		return fail(unix.ESRCH) // the memory may be somebody else's
	}
	if err := writeMemory(n.tid, n.args[1], a.b[:min(size, a.n)]); err != nil {
		return fail(number(err))
	}
	binary.NativeEndian.PutUint32(room[:], uint32(a.n)) //nolint:gosec // small
	if err := writeMemory(n.tid, n.args[2], room[:]); err != nil {
		return fail(number(err))
	}
	return answer{}
}

// shown returns what a program is shown for an address of its socket or of its
// peer.
func (h *Home) shown(s *socket, seen netip.AddrPort) netip.AddrPort {
	localhost := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	ip := seen.Addr()
	if s.domain == unix.AF_INET {
		if ip == h.spec.IP4 {
			return netip.AddrPortFrom(localhost, seen.Port())
		}
		return seen
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case ip == netip.IPv6Loopback():
		if port, ok := h.sixReal[portKey{s.proto, seen.Port()}]; ok {
			return netip.AddrPortFrom(ip, port)
		}
	case ip.Unmap() == h.spec.IP4 || ip.Unmap() == localhost:
		if asked, ok := h.asked.get(s.cookie); ok && pureSix(asked.Addr()) {
			return netip.AddrPortFrom(netip.IPv6Loopback(), seen.Port())
		}
		return netip.AddrPortFrom(mapped(localhost), seen.Port())
	}
	return seen
}
