package sockets

import (
	"net/netip"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// RowMaker is the memory in which a Snapshot makes a row, used again and again.
type RowMaker struct{ m rowMaker }

// Row makes the i-th row, from 0 to Len()-1, in m. It, and what it points to
// but processes, is valid until m is used again.
func (s *Snapshot) Row(i int, m *RowMaker) *Row { return m.m.fill(s, s.shown[i]) }

// Brief is what orders and joins many sockets: a small part of a Row, made
// many times faster.
type Brief struct {
	Protocol loopback.Protocol
	State    string
	Scope    loopback.Scope
	// Local is zero for a Unix socket, Remote where there is no other end.
	Local, Remote netip.AddrPort
	Inode         uint32
	Namespace     uint32
	// Peer is the index of the other end's row, -1 where there is none, or
	// where the query left it out. A socket connected to itself has its own.
	Peer int
	// Queued says that a queue is not empty.
	Queued bool
}

// Brief returns a part of the i-th row.
func (s *Snapshot) Brief(i int) Brief {
	r := &s.recs[s.shown[i]]
	b := Brief{
		State: r.StateName(), Inode: r.Inode, Namespace: s.spaces[r.Space].inode, Peer: -1,
		Queued: r.RQueue != 0 || r.WQueue != 0 && r.State != diag.StateListen,
	}
	if r.Peer >= 0 {
		b.Peer = s.place(r.Peer)
	}
	switch r.Proto {
	case diag.ProtoUnix:
		b.Protocol = "unix"
		return b
	case diag.ProtoUDP:
		b.Protocol = loopback.UDP
	default:
		b.Protocol = loopback.TCP
	}
	ip := diag.Addr(&r.Local)
	b.Local, b.Scope = netip.AddrPortFrom(ip, r.LocalPort), s.spaces[r.Space].scopes.Scope(ip)
	if r.Connected() {
		b.Remote = netip.AddrPortFrom(diag.Addr(&r.Remote), r.RemotePort)
	}
	return b
}

// place returns the index of the row of a record, -1 if it is not shown.
func (s *Snapshot) place(rec int32) int {
	if s.places == nil {
		s.places = make([]int32, len(s.recs))
		for i, at := range s.shown {
			s.places[at] = int32(i) + 1
		}
	}
	return int(s.places[rec]) - 1
}

// Keep leaves only the rows of which keep says so.
func (s *Snapshot) Keep(keep func(*Row) bool) {
	kept := s.shown[:0]
	s.places, s.unknown = nil, 0
	var m rowMaker
	for _, i := range s.shown {
		if r := m.fill(s, i); keep(r) {
			kept = append(kept, i)
			if r.Unknown {
				s.unknown++
			}
		}
	}
	s.shown = kept
}
