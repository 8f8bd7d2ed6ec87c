package sockets

import (
	"lodge/internal/sockets/holders"
	"lodge/internal/sockets/netif"

	"lodge/internal/sockets/diag"
)

// Query says which sockets are wanted and what about them. The zero Query is
// all TCP and UDP sockets of this network namespace, with their processes.
// What a filter excludes is not read where the kernel can leave it out.
type Query struct {
	// Protocols are those wanted, of tcp, udp and unix; none is tcp and udp.
	Protocols []string
	// States as in Row.State; none is all.
	States []string
	// Filter selects by address, port, process, user, project, scope.
	Filter Filter
	// Unix adds Unix sockets, whatever the Protocols are.
	Unix bool
	// AllNamespaces adds the other network namespaces in which processes are.
	AllNamespaces bool
	// NoProcesses leaves the owners out: nothing of /proc is read.
	NoProcesses bool
	// TCPInfo adds Row.TCP.
	TCPInfo bool
	// Details reads executable, directory, cgroup and parents of processes,
	// beside the name and the command line.
	Details bool
	// Quick ends the search for processes once each socket has a holder, and
	// looks through the relatives of those: one that was handed the socket
	// otherwise may be left out. A search that does not end early takes time
	// that grows with the descriptors of all processes.
	Quick bool
	// Hints make the next of several queries quicker; nil is none.
	Hints *Hints
	// Diag spares the next of several queries to ask whether the kernel has
	// sock_diag; nil is none.
	Diag *diag.Support
	// Homes name the projects.
	Homes []holders.Home
	// Live is a map of sockets to processes that is kept all the time, by
	// the helper; nil is none, and then /proc is read.
	Live holders.Live
	// Asked, unless it is nil, has the Homes and the Live that this query is to
	// use. It is waited for after the sockets were read; where the Filter is by
	// ports, the caller waits for it before, and sets Homes too.
	Asked Asked

	answers Answers
}

// Table is the answer to a Query.
type Table struct {
	Rows []Row `json:"sockets"`
	// UnknownOwners counts the rows whose holders may not be seen from here.
	UnknownOwners int `json:"unknown_owners"`
	// Warnings say what could not be read, one line each.
	Warnings []string `json:"warnings,omitempty"`
}

// Hints remembers what quick queries found, for the next ones: the holders of
// sockets, the parents of processes, and this machine's addresses. It is for one
// goroutine, in one network namespace, and for a moment.
type Hints struct {
	search holders.Hints
	scopes *netif.Addresses // of the interfaces here
}

func (h *Hints) ofSearch() *holders.Hints {
	if h == nil {
		return nil
	}
	return &h.search
}
