package diag

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Protocols of a record.
const (
	ProtoTCP = iota
	ProtoUDP
	ProtoUnix
)

// Record is a socket in the form in which many are held: no pointers, so
// that the garbage collector does not look into them. Rows are made of it.
type Record struct {
	// local and remote are IPv6 addresses, an IPv4 one in its mapped form: so
	// both ends of a connection are comparable, whatever their sockets' families.
	Local, Remote         [16]byte
	Cookie, Cgroup        uint64
	Inode, UID            uint32
	RQueue, WQueue        uint32
	Iface                 uint32 // index of the interface that it is bound to
	Extra                 uint32 // one more than the index into snapshot.infos or .unix; 0 is none
	Peer                  int32  // index of the other end in snapshot.recs, or -1
	LocalPort, RemotePort uint16
	Space                 uint16 // index into snapshot.spaces
	Proto, Family, State  uint8
	Flags                 uint8
}

const familyIPv6 = unix.AF_INET6

const (
	FlagV6Only = 1 << iota
	// FlagWanted marks what the query selects; others are there as peers.
	FlagWanted
	// flagUnknown: there are holders that may not be seen.
	FlagUnknown
	// flagGone: closed while it was looked for, or told twice.
	FlagGone
	// flagUID: uid is told.
	FlagUID
	// flagProc: read from /proc/net, so that the cookie, the cgroup, flagV6Only
	// and the limit of a listener's queue are not known.
	FlagProc
)

// put4 writes an IPv4 address in its mapped form.
func put4(to *[16]byte, b []byte) {
	*to = [16]byte{10: 0xff, 11: 0xff, 12: b[0], 13: b[1], 14: b[2], 15: b[3]}
}

func is4(a *[16]byte) bool {
	return binary.BigEndian.Uint64(a[:]) == 0 && binary.BigEndian.Uint32(a[8:]) == 0xffff
}

// Addr returns an address as people write it, IPv4-mapped as IPv4.
func Addr(a *[16]byte) netip.Addr {
	if is4(a) {
		return netip.AddrFrom4([4]byte(a[12:]))
	}
	return netip.AddrFrom16(*a)
}

func AddrPort(a *[16]byte, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(Addr(a), port)
}

// Socket returns the record in the form that Dump and Lookup answer.
func (r *Record) Socket() Socket {
	s := Socket{
		Family: int(r.Family), State: r.State, UID: r.UID, Inode: r.Inode, CgroupID: r.Cgroup, Cookie: r.Cookie,
		V6Only: r.Flags&FlagV6Only != 0, RQueue: r.RQueue, WQueue: r.WQueue, FromProc: r.Flags&FlagProc != 0,
	}
	if r.Family == unix.AF_INET {
		s.Src = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Local[12:])), r.LocalPort)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.Remote[12:])), r.RemotePort)
	} else {
		s.Src = netip.AddrPortFrom(netip.AddrFrom16(r.Local), r.LocalPort)
		s.Dst = netip.AddrPortFrom(netip.AddrFrom16(r.Remote), r.RemotePort)
	}
	return s
}

// Same reports whether two readings are of one socket. Without cookies it is
// known by its inode, and one that no process holds by its ends.
func (r *Record) Same(o *Record) bool {
	switch {
	case r.Cookie != 0 && o.Cookie != 0:
		return r.Cookie == o.Cookie
	case r.Inode != 0 && o.Inode != 0:
		return r.Inode == o.Inode
	}
	return r.Connected() && r.LocalPort == o.LocalPort && r.RemotePort == o.RemotePort && r.Local == o.Local && r.Remote == o.Remote
}

// Connected reports whether the record has another end.
func (r *Record) Connected() bool { return r.RemotePort != 0 && r.Proto != ProtoUnix }

// StateName returns the name that Row.State has.
func (r *Record) StateName() string {
	switch r.State {
	case StateEstablished:
		if r.Proto != ProtoTCP {
			return "connected"
		}
		return "established"
	case StateSynSent:
		return "syn_sent"
	case StateSynRecv, StateNewSynRecv:
		return "syn_recv"
	case StateFinWait1:
		return "fin_wait_1"
	case StateFinWait2:
		return "fin_wait_2"
	case StateTimeWait:
		return "time_wait"
	case StateClose:
		if r.LocalPort != 0 { // a Unix socket that has a name: 1
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
