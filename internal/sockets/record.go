package sockets

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Protocols of a record.
const (
	protoTCP = iota
	protoUDP
	protoUnix
)

// record is a socket in the form in which many are held: no pointers, so
// that the garbage collector does not look into them. Rows are made of it.
type record struct {
	// local and remote are IPv6 addresses, an IPv4 one in its mapped form: so
	// both ends of a connection are comparable, whatever their sockets' families.
	local, remote         [16]byte
	cookie, cgroup        uint64
	inode, uid            uint32
	rqueue, wqueue        uint32
	iface                 uint32 // index of the interface that it is bound to
	extra                 uint32 // one more than the index into snapshot.infos or .unix; 0 is none
	peer                  int32  // index of the other end in snapshot.recs, or -1
	localPort, remotePort uint16
	space                 uint16 // index into snapshot.spaces
	proto, family, state  uint8
	flags                 uint8
}

const familyIPv6 = unix.AF_INET6

const (
	flagV6Only = 1 << iota
	// flagWanted marks what the query selects; others are there as peers.
	flagWanted
	// flagUnknown: there are holders that may not be seen.
	flagUnknown
	// flagGone: closed while it was looked for, or told twice.
	flagGone
	// flagUID: uid is told.
	flagUID
	// flagProc: read from /proc/net, so that the cookie, the cgroup, flagV6Only
	// and the limit of a listener's queue are not known.
	flagProc
)

// put4 writes an IPv4 address in its mapped form.
func put4(to *[16]byte, b []byte) {
	*to = [16]byte{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

func is4(a *[16]byte) bool {
	return binary.BigEndian.Uint64(a[:]) == 0 && binary.BigEndian.Uint32(a[8:]) == 0xffff
}

// address returns an address as people write it, IPv4-mapped as IPv4.
func address(a *[16]byte) netip.Addr {
	if is4(a) {
		return netip.AddrFrom4([4]byte(a[12:]))
	}
	return netip.AddrFrom16(*a)
}

func unzoned(a *[16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(address(a), port)
}

// socket returns the record in the form that Dump and Lookup answer.
func (r *record) socket() Socket {
	s := Socket{
		Family: int(r.family), State: r.state, UID: r.uid, Inode: r.inode, CgroupID: r.cgroup, Cookie: r.cookie,
		V6Only: r.flags&flagV6Only != 0, RQueue: r.rqueue, WQueue: r.wqueue, FromProc: r.flags&flagProc != 0,
	}
	if r.family == unix.AF_INET {
		s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.local[12:])), r.localPort)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.remote[12:])), r.remotePort)
	} else {
		s.Src = netip.AddrPortFrom(netip.AddrFrom16(r.local), r.localPort)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom16(r.remote), r.remotePort)
	}
	return s
}

// same reports whether two readings are of one socket. Without cookies it is
// known by its inode, and one that no process holds by its ends.
func (r *record) same(o *record) bool {
	switch {
	case r.cookie != 0 && o.cookie != 0:
		return r.cookie == o.cookie
	case r.inode != 0 && o.inode != 0:
		return r.inode == o.inode
	}
	return r.connected() && r.localPort == o.localPort && r.remotePort == o.remotePort && r.local == o.local && r.remote == o.remote
}

// connected reports whether the record has another end.
func (r *record) connected() bool { return r.remotePort != 0 && r.proto != protoUnix }

// stateName returns the name that Row.State has.
func (r *record) stateName() string {
	switch r.state {
	case StateEstablished:
		if r.proto != protoTCP {
			return "connected"
		}
		return "established"
	case StateSynSent:
		return "syn_sent"
	case StateSynRecv, stateNewSynRecv:
		return "syn_recv"
	case StateFinWait1:
		return "fin_wait_1"
	case StateFinWait2:
		return "fin_wait_2"
	case StateTimeWait:
		return "time_wait"
	case StateClose:
		if r.localPort != 0 { // a Unix socket that has a name: 1
			return "bound"
		}
		return "close"
	case StateCloseWait:
		return "close_wait"
	case StateLastAck:
		return "last_ack"
	case StateListen:
		return "listen"
	case StateClosing:
		return "closing"
	}
	return "unknown"
}
