package seccomphome

import (
	"net/netip"

	"lodge/internal/loopback"
)

// recentMax bounds each of the two generations of recent.
const recentMax = 4096

// recent remembers, by a socket's cookie, which localhost address its program
// asked for, so that the program is shown that one.
type recent = generations[netip.AddrPort]

// generations remembers something by a socket's cookie. Sockets come and go
// without a word, so the oldest are forgotten: a generation that is full
// becomes the old one, and what is asked for again stays.
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

func (h *Home) remember(s *socket, asked netip.AddrPort) {
	h.know(s)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.asked.put(s.cookie, asked)
}

func (h *Home) remembered(cookie uint64) (netip.AddrPort, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked.get(cookie)
}

// portKey is a port as programs inside know it.
type portKey struct {
	proto loopback.Protocol
	port  uint16
}

// sixPort is where an IPv6-only socket really is: a port of ::1.
type sixPort struct {
	port    uint16
	cookie  uint64
	service string
	// multipath: the kernel's table shows a subflow with a cookie of its own.
	multipath bool
	// listened: it was seen listening, so that its absence means that it is
	// gone.
	listened bool
}

// endKey is an address as the kernel shows it.
type endKey struct {
	proto loopback.Protocol
	at    netip.AddrPort
}

// pureSix reports whether an address means IPv6 localhost and not IPv4's.
func pureSix(ip netip.Addr) bool { return ip.Is6() && !ip.Is4In6() }

// sixAddr is a port of ::1.
func sixAddr(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.IPv6Loopback(), port) }
