package sockets

import (
	"net/netip"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// Row is one socket as it is shown: what the kernel says, which processes hold
// it, and its other end. Its JSON is what
// `lodge ports --json` prints.
type Row struct {
	// Protocol is tcp, udp or unix.
	Protocol loopback.Protocol `json:"protocol"`
	// Family is ipv4, ipv6 or unix: of the socket, not of the address. An
	// IPv4-mapped address is shown as the IPv4 address that it stands for.
	Family string `json:"family"`
	// State is listen, established, syn_sent, syn_recv, fin_wait_1,
	// fin_wait_2, time_wait, close, close_wait, last_ack, closing (RFC 9293,
	// section 3.3.2), bound (a port or a path taken, not listening; an
	// unconnected UDP socket) or connected (a UDP or Unix socket with a peer,
	// for which the kernel says established).
	State string `json:"state"`
	// Local is the socket's own address, Remote its peer's; Remote is nil
	// where there is none.
	Local  *Address `json:"local,omitempty"`
	Remote *Address `json:"remote,omitempty"`
	// Path is a Unix socket's, with @ in front of an abstract name.
	Path string `json:"path,omitempty"`
	// Type is stream, datagram or seqpacket; Unix sockets only.
	Type string `json:"type,omitempty"`
	// Scope says from where Local can be reached: see loopback.Scope.
	Scope loopback.Scope `json:"scope,omitempty"`
	// RealPort is where a socket at ::1 inside a home of the seccomp engine is
	// reached from outside; Local has the port that programs inside know. It is
	// zero for all others.
	RealPort uint16 `json:"real_port,omitempty"`
	// V6Only is told for listening IPv6 sockets.
	V6Only bool `json:"v6_only,omitempty"`

	// UID owns the socket; nil where the kernel does not keep it (TIME_WAIT,
	// SYN_RECV).
	UID    *uint32 `json:"uid,omitempty"`
	User   string  `json:"user,omitempty"`
	Inode  uint32  `json:"inode,omitempty"`
	Cookie uint64  `json:"cookie,omitempty"`
	// CgroupID is the inode number of the cgroup2 directory in which the
	// socket was made.
	CgroupID uint64 `json:"cgroup_id,omitempty"`
	// Source is SourceProc where sock_diag is missing: Cookie, CgroupID,
	// TCP, a listener's BacklogLimit, and of a Unix socket UID, Peer and the
	// queues are then not known. Else it is empty.
	Source string `json:"source,omitempty"`
	// Namespace is the inode number of the network namespace, zero for the
	// one that lodge runs in; NamespaceName is its container or file name.
	Namespace     uint32 `json:"network_namespace,omitempty"`
	NamespaceName string `json:"network_namespace_name,omitempty"`

	// Processes are all that hold the socket, by pid. Empty with Unknown
	// false means that no process holds it (TIME_WAIT and the like); the process
	// that closed it may be in Closed.
	Processes []*holders.Process `json:"processes"`
	// Unknown says that there are holders that may not be seen from here.
	Unknown bool `json:"owner_unknown,omitempty"`
	// Closed is the process that had a socket which none holds any more, where the
	// live map saw it.
	Closed *holders.Process `json:"closed_by,omitempty"`
	// Project and Service are lodge's.
	Project string `json:"project,omitempty"`
	Service string `json:"service,omitempty"`

	// Peer is the other end of a connection whose both ends are on this
	// machine.
	Peer *Peer `json:"peer,omitempty"`

	// RecvQueue and SendQueue are in bytes; nil where they are not known. A TCP
	// listener has Backlog and BacklogLimit instead: connections that wait for
	// accept, and how many may.
	RecvQueue    *uint32 `json:"receive_queue_bytes,omitempty"`
	SendQueue    *uint32 `json:"send_queue_bytes,omitempty"`
	Backlog      *uint32 `json:"backlog,omitempty"`
	BacklogLimit *uint32 `json:"backlog_limit,omitempty"`

	// OpenedAt is when the socket was made, where the live map saw it: the
	// kernel does not keep it (the times of a sockfs inode are all zero).
	OpenedAt *time.Time `json:"opened_at,omitempty"`

	// TCP is told where it was asked for: see Query.TCPInfo.
	TCP *diag.TCPInfo `json:"tcp_info,omitempty"`
}

// SourceProc is the Source of a row that was read from /proc/net.
const SourceProc = "proc"

// Address is an IP address and a port.
type Address struct {
	IP   netip.Addr `json:"ip"`
	Port uint16     `json:"port"`
}

// AddrPort returns the address as net/netip writes it.
func (a Address) AddrPort() netip.AddrPort { return netip.AddrPortFrom(a.IP, a.Port) }

// Peer is the other end of a connection. A socket connected to itself is its
// own peer.
type Peer struct {
	Inode uint32 `json:"inode,omitempty"`
	// Path is that of a Unix socket's peer.
	Path      string             `json:"path,omitempty"`
	Processes []*holders.Process `json:"processes"`
	Unknown   bool               `json:"owner_unknown,omitempty"`
	Project   string             `json:"project,omitempty"`
	Service   string             `json:"service,omitempty"`
}

// Covers reports whether what is sent to ip reaches a TCP or UDP socket with the
// row's local address, as far as addresses decide.
func (r *Row) Covers(ip netip.Addr) bool {
	own := r.Local.IP.Unmap().WithZone("")
	ip = ip.Unmap().WithZone("")
	switch {
	case own == ip:
		return true
	case !own.IsUnspecified():
		return false
	case own.Is4():
		return ip.Is4()
	case ip.Is4():
		return !r.V6Only
	}
	return true
}
