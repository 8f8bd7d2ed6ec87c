package sockets

import (
	"encoding/binary"

	"lodge/internal/sockets/diag"
)

// tuples finds the connection with given ends among records.
type tuples struct {
	table []uint32 // one more than the index of a record; 0 is free
	shift uint8
}

func newTuples(n int) *tuples {
	bits := 4
	for 1<<bits < 2*n {
		bits++
	}
	return &tuples{table: make([]uint32, 1<<bits), shift: uint8(64 - bits)}
}

// hashEnds mixes the ends of a connection, which another user may choose: a
// table full of one value would be slow, not wrong.
func hashEnds(local, remote *[16]byte, localPort, remotePort uint16, space uint16, proto uint8) uint64 {
	const m = 0x9e3779b97f4a7c15
	h := uint64(localPort)<<48 | uint64(remotePort)<<32 | uint64(space)<<8 | uint64(proto)
	for _, v := range [4]uint64{
		binary.NativeEndian.Uint64(local[:8]), binary.NativeEndian.Uint64(local[8:]),
		binary.NativeEndian.Uint64(remote[:8]), binary.NativeEndian.Uint64(remote[8:]),
	} {
		h = (h ^ v) * m
		h ^= h >> 29
	}
	return h * m
}

// add adds recs[i], or returns the record that has the same ends already.
func (t *tuples) add(recs []diag.Record, i int) (other int, ok bool) {
	r := &recs[i]
	at := hashEnds(&r.Local, &r.Remote, r.LocalPort, r.RemotePort, r.Space, r.Proto) >> t.shift
	for ; t.table[at] != 0; at = (at + 1) & uint64(len(t.table)-1) {
		o := &recs[t.table[at]-1]
		if o.LocalPort == r.LocalPort && o.RemotePort == r.RemotePort && o.Proto == r.Proto && o.Space == r.Space && o.Local == r.Local && o.Remote == r.Remote {
			return int(t.table[at] - 1), true
		}
	}
	t.table[at] = uint32(i + 1)
	return 0, false
}

// find returns the record with the given ends, or -1.
func (t *tuples) find(recs []diag.Record, local, remote *[16]byte, localPort, remotePort, space uint16, proto uint8) int {
	at := hashEnds(local, remote, localPort, remotePort, space, proto) >> t.shift
	for ; t.table[at] != 0; at = (at + 1) & uint64(len(t.table)-1) {
		o := &recs[t.table[at]-1]
		if o.LocalPort == localPort && o.RemotePort == remotePort && o.Proto == proto && o.Space == space && o.Local == *local && o.Remote == *remote {
			return int(t.table[at] - 1)
		}
	}
	return -1
}

// joinPeers finds the other end of each connection, and marks a connection
// that the dump told twice. A UDP socket connected to one that is not is
// joined with the one that gets its datagrams, as long as it is only one.
func joinPeers(recs []diag.Record) {
	n := 0
	for i := range recs {
		if recs[i].Connected() || recs[i].Proto == diag.ProtoUDP {
			n++
		}
	}
	if n == 0 {
		return
	}
	t := newTuples(n)
	var shared map[int]bool // bound UDP sockets that are one of several
	for i := range recs {
		r := &recs[i]
		if !r.Connected() && r.Proto != diag.ProtoUDP {
			continue
		}
		other, double := t.add(recs, i)
		switch {
		case !double:
		case r.Cookie == recs[other].Cookie && r.Cookie != 0:
			// It moved from one list to another while it was read. What was
			// read later holds.
			r.Flags |= diag.FlagGone
		case r.Flags&diag.FlagProc != 0 && r.Connected() && (r.Proto == diag.ProtoTCP || r.Inode == recs[other].Inode):
			// The same, of two readings of /proc/net.
			r.Flags |= diag.FlagGone
		case !r.Connected():
			if shared == nil {
				shared = make(map[int]bool)
			}
			shared[other] = true
		}
	}
	var none [16]byte
	zero4 := [16]byte{10: 0xff, 11: 0xff}
	for i := range recs {
		r := &recs[i]
		if !r.Connected() || r.Flags&diag.FlagGone != 0 {
			continue
		}
		p := t.find(recs, &r.Remote, &r.Local, r.RemotePort, r.LocalPort, r.Space, r.Proto)
		if p < 0 && r.Proto == diag.ProtoUDP {
			// The receiver's own remote address is zero: of its family.
			for _, local := range []*[16]byte{&r.Remote, &zero4, &none} {
				for _, remote := range []*[16]byte{&zero4, &none} {
					if p < 0 {
						p = t.find(recs, local, remote, r.RemotePort, 0, r.Space, r.Proto)
					}
				}
			}
			if p >= 0 && shared[p] {
				p = -1
			}
		}
		if p >= 0 {
			r.Peer = int32(p)
		}
	}
}

// joinAcross joins connections between network namespaces, such as from the
// host to a container: the other end is the only one with the same addresses.
// A loopback address never leaves its namespace.
func joinAcross(recs []diag.Record) {
	type ends struct {
		local, remote         [16]byte
		localPort, remotePort uint16
		proto                 uint8
	}
	open := make(map[ends]int32) // -1 where there are several
	crosses := func(r *diag.Record) bool {
		return r.Peer < 0 && r.Connected() && r.Flags&diag.FlagGone == 0 && !diag.Addr(&r.Local).IsLoopback()
	}
	for i := range recs {
		if r := &recs[i]; crosses(r) {
			k := ends{r.Local, r.Remote, r.LocalPort, r.RemotePort, r.Proto}
			if _, ok := open[k]; ok {
				open[k] = -1
			} else {
				open[k] = int32(i)
			}
		}
	}
	for i := range recs {
		if r := &recs[i]; crosses(r) {
			p, ok := open[ends{r.Remote, r.Local, r.RemotePort, r.LocalPort, r.Proto}]
			if ok && p >= 0 && recs[p].Space != r.Space {
				r.Peer = p
			}
		}
	}
}

// joinUnix finds the other end of each Unix socket.
func joinUnix(s *Snapshot) {
	if len(s.unix) == 0 {
		return
	}
	byInode := make(map[uint32]int32, len(s.unix))
	for i := range s.recs {
		if r := &s.recs[i]; r.Proto == diag.ProtoUnix && r.Inode != 0 {
			byInode[r.Inode] = int32(i)
		}
	}
	for i := range s.recs {
		if r := &s.recs[i]; r.Proto == diag.ProtoUnix {
			if p, ok := byInode[s.unix[r.Extra-1].Peer]; ok {
				r.Peer = p
			}
		}
	}
}
