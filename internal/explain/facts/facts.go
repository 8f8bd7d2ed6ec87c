package facts

import (
	"net/netip"
	"time"

	"lodge/internal/explain/firewall"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Facts are what was found out. Rules know nothing else.
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
	// namespaces. It is read only where no socket listens here.
	Elsewhere []sockets.Row
	// Listened says of the far ends of connections whether a socket listens
	// there, so which end is the client.
	Listened map[netip.AddrPort]bool
	// Processes tells more of those that hold the sockets, by pid.
	Processes map[int]Process
	// Descriptors has the open files of those that hold a socket whose queue is
	// full, or of which a message tells EMFILE, by pid.
	Descriptors map[int]Descriptors
	// Inherited has the listening sockets, by inode number, whose holder only got
	// them from the program that started it: that has ended, and the holder, whose
	// pid is the value, does not wait for connections.
	Inherited map[uint32]int
	// Gone has the processes that closed a socket and have ended since, by pid.
	Gone map[int]bool
	// Filter is what the firewall does to connections, by target.
	Filter map[netip.Addr]firewall.Result

	// LoDown reports that the loopback interface is down. Routes has the addresses
	// to which no packet can be sent.
	LoDown bool
	Routes map[netip.Addr]Route
	// Namespaces are the other network namespaces that have an address which is
	// not here, and There the sockets in them that listen on the port.
	Namespaces map[netip.Addr]sockets.Namespace
	There      []sockets.Row
	// Forwards are what proxies of published ports hand on.
	Forwards []Forward
	// Scope tells from where the first of Targets can be reached; "" where that was
	// not found out.
	Scope loopback.Scope

	Projects []Project
	// Own are the processes of lodge itself that hold sockets, and what they are.
	Own map[int]string
	// Kept is the service of which the answer tells, or nil.
	Kept *Kept
	// Inside is the project in whose home this program itself runs, or nil.
	Inside *Project

	// UID and User are this program's user; OtherPIDNamespace reports that it is not
	// in the first pid namespace, and so does not see all processes.
	UID               uint32
	User              string
	OtherPIDNamespace bool
	// LowPorts says that this user may bind ports below Kernel.UnprivilegedStart.
	LowPorts bool
	// Unknown says, one line each, what could not be found out; Unseen says it
	// of other network namespaces, which matter where nothing is found here.
	Unknown, Unseen []string
}

// Resolution is what a name means here.
type Resolution struct {
	Addresses []netip.Addr
	// Source is what knows the name: "hosts file", "RFC 6761", "DNS", "lodge".
	Source string
	// Lines are the hosts file's lines that name it.
	Lines []string
	// Err says why there are no addresses.
	Err string
}
