package seccomphome

import (
	"net/netip"

	"lodge/internal/home/seccomphome/hold"
	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// takeOver puts a held socket in the place of the fresh one that the program
// wants to bind to the same address.
func takeOver(c *call, asked netip.AddrPort) bool {
	if c.s.Proto != loopback.TCP || asked.Port() == 0 {
		return false
	}
	if now, err := c.s.Local(); err != nil || now.Port() != 0 {
		return false // bound already: EINVAL
	}
	h, v6only := c.l.h, c.s.V6Only()
	key := table.Port{Proto: c.s.Proto, Port: asked.Port()}
	var got *hold.Socket
	var real uint16
	if v6only {
		at, _ := h.six.Real(key)
		real = at.Port
		got = h.holds.Take(c.l.service, &c.s, true, table.Loopback6(real))
	} else {
		got = h.holds.Take(c.l.service, &c.s, false,
			netip.AddrPortFrom(h.spec.IP4, asked.Port()), netip.AddrPortFrom(unotify.Mapped(h.spec.IP4), asked.Port()))
	}
	if got == nil {
		return false
	}
	socket.CopyOptions(c.s.FD, got.S.FD)
	if c.replace(&got.S) != 0 {
		got.S.Close()
		return false
	}
	if v6only {
		h.six.Put(key, &c.s, real, c.l.service)
	}
	return true
}
