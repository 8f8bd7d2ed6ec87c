// Package table is what a home remembers of sockets: which address a program
// asked for, which service has the socket at an address, at which port of ::1 an
// IPv6-only server really is, and the kernel's own table.
//
// It decides nothing and makes no call on a program's socket. Each table has a
// lock of its own, which is held for look-ups only, never during a system call.
package table

import (
	"net/netip"

	"lodge/internal/loopback"
)

// recentMax bounds each of the two generations.
const recentMax = 4096

// generations remembers something by a socket's cookie. The kernel does not
// report when a socket is closed, so the oldest entries are dropped: a generation
// that is full becomes the old one, and an entry that is read again stays.
type generations[V any] struct {
	young, old map[uint64]V
}

func (r *generations[V]) put(cookie uint64, a V) {
	if len(r.young) >= recentMax {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = make(map[uint64]V)
	}
	r.young[cookie] = a
}

func (r *generations[V]) get(cookie uint64) (V, bool) {
	a, ok := r.young[cookie]
	if ok {
		return a, true
	}
	if a, ok = r.old[cookie]; ok {
		r.put(cookie, a)
	}
	return a, ok
}

// Port is a port as programs inside know it.
type Port struct {
	Proto loopback.Protocol
	Port  uint16
}

// Address is an address as the kernel shows it.
type Address struct {
	Proto loopback.Protocol
	At    netip.AddrPort
}

// IsIPv6 reports whether an address is IPv6 and not an IPv4-mapped one.
func IsIPv6(ip netip.Addr) bool { return ip.Is6() && !ip.Is4In6() }

// Loopback6 is a port of ::1.
func Loopback6(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), port) }
