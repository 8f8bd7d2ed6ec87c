package explain

import (
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Facts are what Gather found out. Rules know nothing else.
type Facts struct {
	Question input.Question
	Now      time.Time

	// Targets are the addresses that the input means, in the order in which
	// programs try them. None is "any address of this machine".
	Targets []netip.Addr
	// Resolution is nil where no name was given.
	Resolution *Resolution
	// Name is nil where the daemon has no such name, or none runs.
	Name *Name
	// Implied says that the port is not the input's but lodge's, at which a
	// name that was given without one is served.
	Implied bool
	// Local are this machine's addresses, by which interface has them.
	Local map[netip.Addr]string

	// Unix is set where the path of a Unix socket was given.
	Unix *UnixSocket
	// Others are the facts of the other failures of which a message tells.
	Others []*Facts

	Kernel Kernel
	// Rows are the sockets of this network namespace that have the port at
	// either end; where no port was given, those that listen on the address.
	Rows []sockets.Row
	// Serving are the sockets by which the service listens that a name leads to
	// through lodge.
	Serving []sockets.Row
	// Elsewhere are listening sockets with the port in other network
	// namespaces. It is read only where nobody listens here.
	Elsewhere []sockets.Row
	// Listened says of the far ends of connections whether somebody listens
	// there, so which end is the client.
	Listened map[netip.AddrPort]bool
	// Processes tells more of those that hold the sockets, by pid.
	Processes map[int]ProcessFacts
	// Filter is what the firewall does to connections, by target.
	Filter map[netip.Addr]firewall.Result

	// LoDown says that the loopback interface is down, Routes which addresses
	// have no route, and the error that a connection meets.
	LoDown bool
	Routes map[netip.Addr]unix.Errno
	// Spaces are the other network namespaces that have an address which is not
	// here, and There the sockets in them that listen on the port.
	Spaces map[netip.Addr]sockets.Namespace
	There  []sockets.Row
	// Forwards are what proxies of published ports hand on.
	Forwards []Forward
	// Scope tells from where an address can be reached.
	Scope func(netip.Addr) loopback.Scope

	Projects []Project
	// Own are the processes of lodge itself that hold sockets, and what they are.
	Own map[int]string
	// Kept is the service of which the answer tells, or nil.
	Kept *Kept
	// Inside is the project in whose home this program itself runs, or nil.
	Inside *Project

	UID uint32
	// LowPorts says that this user may bind ports below Kernel.UnprivilegedStart.
	LowPorts bool
	// Unknown says, one line each, what could not be found out; Unseen says it
	// of other network namespaces, which matter where nothing is found here.
	Unknown, Unseen []string
}

// Resolution is what a name means here.
type Resolution struct {
	Addresses []netip.Addr
	// Source says who knows the name: "hosts file", "RFC 6761", "DNS", "lodge".
	Source string
	// Lines are the hosts file's lines that name it.
	Lines []string
	// Err says why there are no addresses.
	Err string
}

// Kernel is what sysctls and counters of this network namespace say.
type Kernel struct {
	// EphemeralFirst to EphemeralLast are the ports of outgoing connections
	// (net.ipv4.ip_local_port_range); zero where it could not be read.
	EphemeralFirst, EphemeralLast uint16
	// Reserved are left out of that range (ip_local_reserved_ports).
	Reserved []Range
	// UnprivilegedStart is the first port that everybody may bind.
	UnprivilegedStart uint16
	// Overflows and Drops count, since boot, connections that found a
	// listener's queue full (TcpExt ListenOverflows, ListenDrops).
	Overflows, Drops uint64
	AbortOnOverflow  bool
}

// Range is a range of ports, both ends included.
type Range struct{ First, Last uint16 }

// IsReserved reports whether a port is left out of the ephemeral range.
func (k *Kernel) IsReserved(port uint16) bool {
	return slices.ContainsFunc(k.Reserved, func(r Range) bool { return port >= r.First && port <= r.Last })
}

// IsEphemeral reports whether the kernel may take a port for an outgoing
// connection.
func (k *Kernel) IsEphemeral(port uint16) bool {
	return k.EphemeralLast != 0 && port >= k.EphemeralFirst && port <= k.EphemeralLast && !k.IsReserved(port)
}

// ProcessFacts is more than a row tells of a process.
type ProcessFacts struct {
	// State is that of proc(5): R, S, D, T (stopped), t (by a debugger), Z.
	State byte
	// Ancestors are the parent, its parent and so on, up to pid 1.
	Ancestors []Ancestor
	// Limits say which limits on the number of processes hold it back.
	Limits []string
}

// Ancestor is a process above another.
type Ancestor struct {
	PID     int    `json:"pid"`
	Name    string `json:"name"`
	Command string `json:"command,omitempty"`
}

// Project is what lodge's daemon says of a project that is up.
type Project struct {
	Name, Path string
	Home4      netip.Addr
	Home6      netip.Addr
	Engine     loopback.Engine
	Isolation  loopback.Isolation
	KeeperPID  int
	Services   []Service
}

// Service is a service of a project.
type Service struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Ended says that it has ended, by itself or because it was told to.
	Ended bool `json:"ended"`
	// Ports are those it is known to have, or to have had.
	Ports []uint16 `json:"-"`
	// Endpoints are where it listens now.
	Endpoints []loopback.Endpoint `json:"endpoints"`
	Exit      *int                `json:"exit_status,omitempty"`
	Reason    string              `json:"reason,omitempty"`
	// Failing reports that its last process ended by itself, and that none has been ready since.
	Failing bool `json:"-"`
	// URL is its name below localhost, "" for none.
	URL string `json:"-"`
	// PID is its main process, zero if it does not run, and Limits say which
	// limits on the number of processes hold that back.
	PID    int      `json:"-"`
	Limits []string `json:"limits,omitempty"`
}

// isLocal reports whether an address is this machine's. All of 127.0.0.0/8 is,
// as long as lo is up (RFC 1122, section 3.2.1.3 (g)).
func (f *Facts) isLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if ip.Is4() && ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	_, ok := f.Local[ip]
	return ok
}

// protocol is the one that the causes are about.
func (f *Facts) protocol() loopback.Protocol {
	if f.Question.Protocol != "" {
		return f.Question.Protocol
	}
	return loopback.TCP
}

// listens reports whether a socket waits for others: a TCP listener, or a UDP
// socket without a peer.
func listens(r *sockets.Row) bool {
	return r.Local != nil && (r.State == "listen" || r.Protocol == loopback.UDP && r.State == "bound")
}

// overlaps reports whether a bind to ip and r's address get into each other's way:
// one of them reaches the other.
func overlaps(r *sockets.Row, ip netip.Addr) bool {
	if r.Covers(ip) {
		return true
	}
	if !ip.IsUnspecified() {
		return false
	}
	own := r.Local.IP.Unmap()
	// A socket bound to :: has IPv4 as well, unless it asks for IPv6 only.
	return ip.Is6() || own.Is4()
}

// at returns the sockets with the port as their own, of the protocol that
// matters, for which keep says so.
func (f *Facts) at(keep func(*sockets.Row) bool) []*sockets.Row { return f.of(f.protocol(), keep) }

// of is at for a protocol.
func (f *Facts) of(proto loopback.Protocol, keep func(*sockets.Row) bool) []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Local != nil && r.Protocol == proto && (!f.Question.HasPort || r.Local.Port == f.Question.Port || r.RealPort == f.Question.Port && r.RealPort != 0) && keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// home returns the addresses that ip means first for a program that runs inside
// a home, as this one then does; none outside, and for other addresses.
func (f *Facts) home(ip netip.Addr) []netip.Addr {
	p := f.Inside
	if p == nil || p.Engine == loopback.None || !loopback.IsLocalhost(ip) {
		return nil
	}
	out := []netip.Addr{p.Home4}
	if p.Home6.IsValid() && ip.Is6() {
		out = append(out, p.Home6)
	}
	return out
}

// reached reports whether the port that is asked about leads to a socket from
// here: one at ::1 inside a home of the seccomp engine has another port outside.
func (f *Facts) reached(r *sockets.Row) bool {
	return r.RealPort == 0 || !f.Question.HasPort || r.RealPort == f.Question.Port || f.Inside != nil && r.Project == f.Inside.Name
}

// listeners are those who would get a connection to ip.
func (f *Facts) listeners(ip netip.Addr) []*sockets.Row {
	if inside := f.home(ip); len(inside) > 0 {
		rows := f.at(func(r *sockets.Row) bool { return listens(r) && slices.Contains(inside, r.Local.IP) })
		if len(rows) > 0 || f.Inside.Isolation == loopback.Strict {
			return rows
		}
	}
	all := f.at(func(r *sockets.Row) bool { return listens(r) && r.Covers(ip) && f.reached(r) })
	// The kernel takes the most exact one (compute_score of inet_hashtables).
	var exact []*sockets.Row
	for _, r := range all {
		if !r.Local.IP.IsUnspecified() {
			exact = append(exact, r)
		}
	}
	if len(exact) > 0 {
		return exact
	}
	return all
}

// project finds the project whose home an address is.
func (f *Facts) project(ip netip.Addr) *Project {
	ip = ip.Unmap()
	for i := range f.Projects {
		if p := &f.Projects[i]; p.Home4 == ip || p.Home6.IsValid() && p.Home6 == ip {
			return p
		}
	}
	return nil
}

// connectTo are the addresses that a connection may go to.
func (f *Facts) connectTo() []netip.Addr {
	if len(f.Targets) == 0 {
		return []netip.Addr{ip4Loopback, netip.IPv6Loopback()}
	}
	var out []netip.Addr
	for _, ip := range f.Targets {
		ip = ip.Unmap()
		// A connection to the wildcard goes to loopback, on Linux.
		if ip.IsUnspecified() && ip.Is4() {
			ip = ip4Loopback
		} else if ip.IsUnspecified() {
			ip = netip.IPv6Loopback()
		}
		if !slices.Contains(out, ip) {
			out = append(out, ip)
		}
	}
	return out
}

var ip4Loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
