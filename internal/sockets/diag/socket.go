package diag

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// The states of a socket that this package's callers ask for (the kernel's
// include/net/tcp_states.h). An unconnected UDP socket that is bound is in
// StateClose, a connected one in StateEstablished.
const (
	StateEstablished = 1
	StateSynSent     = 2
	StateSynRecv     = 3
	StateFinWait1    = 4
	StateFinWait2    = 5
	StateTimeWait    = 6
	StateClose       = 7
	StateCloseWait   = 8
	StateLastAck     = 9
	StateListen      = 10
	StateClosing     = 11
	StateNewSynRecv  = 12
	// StateBoundInactive is only asked for: the answer has StateClose.
	StateBoundInactive = 13
)

// The state masks that Dump takes: one bit a state.
const (
	Listening = 1 << StateListen
	// UDPBound is what a UDP socket can be in: bound, connected or not.
	UDPBound  = 1<<StateClose | 1<<StateEstablished
	AllStates = 0xfff
)

// List is what Dump is asked for.
type List struct {
	Protocol loopback.Protocol
	Family   int    // AF_INET or AF_INET6
	States   uint32 // a mask
}

// Servers returns the lists in which servers are: TCP sockets that listen, and UDP
// sockets that are bound and not connected, of both families.
func Servers() []List {
	return []List{
		{loopback.TCP, unix.AF_INET, Listening},
		{loopback.TCP, unix.AF_INET6, Listening},
		{loopback.UDP, unix.AF_INET, 1 << StateClose},
		{loopback.UDP, unix.AF_INET6, 1 << StateClose},
	}
}

// Socket is one TCP or UDP socket as the kernel shows it.
type Socket struct {
	// Family is AF_INET or AF_INET6: the family of the socket, not of the
	// address.
	Family int
	// Src is the local and Dst the remote address. On an AF_INET6 socket both
	// are IPv6 addresses; one that serves IPv4 has an IPv4-mapped one
	// (::ffff:127.0.0.1), which stays as it is.
	Src, Dst netip.AddrPort
	// State is one of the kernel's TCP states, also for UDP.
	State uint8
	// UID owns the socket. Inode is its number in sockfs, zero once no
	// process holds it (TIME_WAIT and the like).
	UID, Inode uint32
	// CgroupID is the cgroup2 directory's inode number, zero if the kernel
	// does not tell.
	CgroupID uint64
	// Cookie is what SO_COOKIE returns: unique until the machine restarts.
	Cookie uint64
	// V6Only is IPV6_V6ONLY; told for listening and for unconnected sockets.
	V6Only bool
	// FromProc says that /proc/net told it, since sock_diag is missing: CgroupID
	// and Cookie are zero then, V6Only is false and a listener's WQueue zero,
	// whatever they are.
	FromProc bool
	// RQueue and WQueue are in bytes; for a TCP listener, connections waiting
	// for accept and the backlog's limit.
	RQueue, WQueue uint32
}
