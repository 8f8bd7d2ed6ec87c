package view

import (
	"cmp"
	"net/netip"
	"strconv"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// The states of sockets.Row that matter here.
const (
	stateListen      = "listen"
	stateBound       = "bound"
	stateTimeWait    = "time_wait"
	stateEstablished = "established"
	stateConnected   = "connected"
)

// Identity names an item of a list for as long as it lives, so that the
// selection stays on it when rows move.
type Identity struct {
	namespace     uint32
	Local, remote netip.AddrPort
	Cookie        uint64
	a, b          string
}

// cookieOf returns a socket's cookie, or a number made of its inode, which is never a
// cookie, if the cookie is not known.
func cookieOf(r *sockets.Row) uint64 {
	if r.Cookie == 0 && r.Inode != 0 {
		return 1<<63 | uint64(r.Inode)
	}
	return r.Cookie
}

func (x Identity) compare(y Identity) int {
	return cmp.Or(
		cmp.Compare(x.namespace, y.namespace), x.Local.Compare(y.Local), x.remote.Compare(y.remote),
		cmp.Compare(x.Cookie, y.Cookie), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b),
	)
}

// ends is a connection as one of its sockets sees it.
type ends struct {
	namespace     uint32
	protocol      loopback.Protocol
	local, remote netip.AddrPort
}

func endsOf(r *sockets.Row) ends {
	e := ends{namespace: r.Namespace, protocol: r.Protocol}
	if r.Local != nil {
		e.local = r.Local.AddrPort()
	}
	if r.Remote != nil {
		e.remote = r.Remote.AddrPort()
	}
	return e
}

func (e ends) swapped() ends {
	e.local, e.remote = e.remote, e.local
	return e
}

// addressText returns an address as it is typed: 127.0.0.1:80, [::1]:80, *:80
// for all interfaces.
func addressText(a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return "-"
	case a.Addr() == netip.IPv4Unspecified():
		return "*:" + strconv.Itoa(int(a.Port()))
	}
	return a.String()
}

// explainable returns an address as [Subject] has it.
func explainable(protocol loopback.Protocol, a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	if protocol == loopback.UDP {
		return a.String() + "/udp"
	}
	return a.String()
}
