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
	shown := c.l.h.router.Shown(&c.s, direct(c, seen))
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

// direct returns what an address of a socket, or of its peer, would be if it were not
// connected to the relay.
func direct(c *call, seen netip.AddrPort) netip.AddrPort {
	h, real := c.l.h, seen
	if c.n.NR == unix.SYS_GETPEERNAME {
		to, ok := h.relay.Real(seen)
		if !ok {
			return seen
		}
		real = to
	} else {
		client, ok := h.memory.Client(c.s.Cookie)
		if !ok {
			return seen
		}
		var a unotify.Address
		if a.Ask(unix.SYS_GETPEERNAME, c.s.FD) != 0 {
			return seen
		}
		if peer, ok := a.Inet(c.s.Domain, false, false); !ok {
			return seen
		} else if _, led := h.relay.Real(peer); !led {
			return seen // it was connected to something else since
		}
		real = client
	}
	if seen.Addr().Is4In6() {
		real = netip.AddrPortFrom(unotify.Mapped(real.Addr()), real.Port())
	}
	return real
}
