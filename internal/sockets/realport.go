package sockets

import (
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// askedPort returns the port that programs inside know for a port of ::1, which
// is mostly the same.
func askedPort(s *Snapshot, proto loopback.Protocol, ip netip.Addr, port uint16) uint16 {
	if ip != netip.IPv6Loopback() {
		return port
	}
	for i := range s.homes {
		for _, m := range s.homes[i].Moved {
			if m.Protocol == proto && m.Real == port {
				return m.Port
			}
		}
	}
	return port
}

// isMoved reports whether an end of a record is a moved socket.
func isMoved(s *Snapshot, r *diag.Record) bool {
	proto := loopback.TCP
	if r.Proto == diag.ProtoUDP {
		proto = loopback.UDP
	}
	return askedPort(s, proto, diag.Addr(&r.Local), r.LocalPort) != r.LocalPort ||
		r.Connected() && askedPort(s, proto, diag.Addr(&r.Remote), r.RemotePort) != r.RemotePort
}

// withMoved adds, to the ports that a query asks for, those at which they
// really are.
func withMoved(q *Query) {
	var more []uint16
	for i := range q.Homes {
		for _, m := range q.Homes[i].Moved {
			if slices.Contains(q.Filter.Ports, m.Port) {
				more = append(more, m.Real)
			}
		}
	}
	if len(more) > 0 {
		q.Filter.Ports = append(slices.Clip(q.Filter.Ports), more...)
	}
}
