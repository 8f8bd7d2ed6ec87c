package tui

import (
	"cmp"
	"net/netip"
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// The states of sockets.Row that matter here.
const (
	stateListen      = "listen"
	stateBound       = "bound"
	stateTimeWait    = "time_wait"
	stateEstablished = "established"
	stateConnected   = "connected"
)

// identity names an item of a list for as long as it lives, so that the
// selection stays on it when rows move.
type identity struct {
	namespace     uint32
	local, remote netip.AddrPort
	cookie        uint64
	a, b          string
}

// cookieOf returns a socket's cookie, or where it is not known a number that
// stands for its inode and is no cookie.
func cookieOf(r *sockets.Row) uint64 {
	if r.Cookie == 0 && r.Inode != 0 {
		return 1<<63 | uint64(r.Inode)
	}
	return r.Cookie
}

func (x identity) compare(y identity) int {
	return cmp.Or(
		cmp.Compare(x.namespace, y.namespace), x.local.Compare(y.local), x.remote.Compare(y.remote),
		cmp.Compare(x.cookie, y.cookie), cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b),
	)
}

// ends is a connection as one of its sockets sees it.
type ends struct {
	namespace     uint32
	protocol      loopback.Protocol
	local, remote netip.AddrPort
}

func endsOf(r *sockets.Row) ends {
	e := ends{namespace: r.Namespace, protocol: r.Protocol}
	if r.Local != nil {
		e.local = r.Local.AddrPort()
	}
	if r.Remote != nil {
		e.remote = r.Remote.AddrPort()
	}
	return e
}

func (e ends) swapped() ends {
	e.local, e.remote = e.remote, e.local
	return e
}

// party is one end of a connection, or who listens: processes as far as they
// are known, and lodge's names.
type party struct {
	Processes []*sockets.Process
	Unknown   bool
	Closed    *sockets.Process
	Project   string
	Service   string
}

func ownerOf(r *sockets.Row) party {
	return party{Processes: r.Processes, Unknown: r.Unknown, Closed: r.Closed, Project: r.Project, Service: r.Service}
}

func peerOf(r *sockets.Row) party {
	if r.Peer == nil {
		return party{}
	}
	return party{Processes: r.Peer.Processes, Unknown: r.Peer.Unknown, Project: r.Peer.Project, Service: r.Peer.Service}
}

// program names the processes for people: node[412], nginx[10]+3, ? where they
// may not be seen, (curl[99]) where they are gone, - where there are none.
func (p party) program() string {
	switch {
	case len(p.Processes) > 0:
		s := p.Processes[0].Name + "[" + strconv.Itoa(p.Processes[0].PID) + "]"
		if n := len(p.Processes) - 1; n > 0 {
			s += "+" + strconv.Itoa(n)
		}
		if p.Unknown {
			s += "+?"
		}
		return s
	case p.Unknown:
		return "?"
	case p.Closed != nil:
		return "(" + p.Closed.Name + "[" + strconv.Itoa(p.Closed.PID) + "])"
	}
	return "-"
}

// name is the program without its number: what several processes share.
func (p party) name() string {
	switch {
	case len(p.Processes) > 0:
		return p.Processes[0].Name
	case p.Unknown:
		return "?"
	case p.Closed != nil:
		return p.Closed.Name
	}
	return "-"
}

// compareParties sorts by program and process.
func compareParties(a, b party) int {
	if n := cmp.Compare(a.name(), b.name()); n != 0 || len(a.Processes) == 0 || len(b.Processes) == 0 {
		return n
	}
	return cmp.Compare(a.Processes[0].PID, b.Processes[0].PID)
}

// lodge returns project/service, or "".
func (p party) lodge() string {
	switch {
	case p.Project == "":
		return ""
	case p.Service == "":
		return p.Project
	}
	return p.Project + "/" + p.Service
}

// label is the program, and project/service behind it.
func (p party) label() string {
	return strings.TrimSpace(p.program() + " " + p.lodge())
}

// addressText writes an address as it is typed: 127.0.0.1:80, [::1]:80, *:80
// for all interfaces.
func addressText(a netip.AddrPort) string {
	switch {
	case !a.IsValid():
		return "-"
	case a.Addr() == netip.IPv4Unspecified():
		return "*:" + strconv.Itoa(int(a.Port()))
	}
	return a.String()
}

// explainable writes an address as Source.Explain takes it.
func explainable(protocol loopback.Protocol, a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	if protocol == loopback.UDP {
		return a.String() + "/udp"
	}
	return a.String()
}
