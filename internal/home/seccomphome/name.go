package seccomphome

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

// name answers getsockname and getpeername with the address that the program
// asked for. Where that is the real one, the kernel answers.
func (l *listener) name(n *unotify.Notification, s *socket) unotify.Answer {
	var a unotify.Address
	if errno := a.Ask(uintptr(n.NR), s.fd); errno != 0 { //nolint:gosec // a call's number
		return unotify.Fail(errno)
	}
	seen, ok := a.Inet(s.domain, false, false)
	if s.proto == "" || !ok {
		return unotify.LetThrough
	}
	shown := l.h.shown(s, seen)
	if shown == seen {
		return unotify.LetThrough
	}
	a.Set(shown)
	// The caller says how much room it has, and is told how much there would
	// be (getsockname(2)).
	var room [4]byte
	if err := unotify.ReadMemory(n.TID, n.Args[2], room[:]); err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	size := int32(binary.NativeEndian.Uint32(room[:])) //nolint:gosec // a C int
	if size < 0 {
		return unotify.Fail(unix.EINVAL)
	}
	if !unotify.Valid(l.fd, n.ID) {
		return unotify.Fail(unix.ESRCH) // the memory may be somebody else's
	}
	if err := unotify.WriteMemory(n.TID, n.Args[1], a.Bytes[:min(size, a.Len)]); err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	binary.NativeEndian.PutUint32(room[:], uint32(a.Len)) //nolint:gosec // small
	if err := unotify.WriteMemory(n.TID, n.Args[2], room[:]); err != nil {
		return unotify.Fail(unotify.Number(err))
	}
	return unotify.Answer{}
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
		return netip.AddrPortFrom(unotify.Mapped(localhost), seen.Port())
	}
	return seen
}
