package seccomphome

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

// getName answers getsockname and getpeername with the address that the program
// asked for. Where that is the real one, the kernel answers.
func getName(c *call) unotify.Answer {
	n := &c.n
	var a unotify.Address
	if errno := a.Ask(uintptr(n.NR), c.s.FD); errno != 0 { //nolint:gosec // a call's number
		return unotify.Fail(errno)
	}
	seen, ok := a.Inet(c.s.Domain, false, false)
	if c.s.Proto == "" || !ok {
		return unotify.LetThrough
	}
	real := seen
	if n.NR == unix.SYS_GETPEERNAME {
		if to, ok := c.l.h.relay.Real(seen); ok {
			real = to
			if seen.Addr().Is4In6() {
				real = netip.AddrPortFrom(unotify.Mapped(to.Addr()), to.Port())
			}
		}
	}
	shown := c.l.h.router.Shown(&c.s, real)
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
	if !c.valid() {
		return unotify.Fail(unix.ESRCH) // the memory may be another's
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
