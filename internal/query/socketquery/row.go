package socketquery

import (
	"net/netip"
	"path"
	"time"

	"lodge/internal/sockets"
)

// row is a socket as query.Row.
type row struct {
	*sockets.Row
	now func() time.Time
}

// process returns the nth process of either end, and then the one that closed
// the socket.
func (r *row) process(n int) *sockets.Process {
	if n < len(r.Processes) {
		return r.Processes[n]
	}
	n -= len(r.Processes)
	if r.Peer != nil {
		if n < len(r.Peer.Processes) {
			return r.Peer.Processes[n]
		}
		n -= len(r.Peer.Processes)
	}
	if n == 0 {
		return r.Closed
	}
	return nil
}

// names returns the nth of the names of processes: two of each.
func (r *row) names(n int) (string, bool) {
	p := r.process(n / 2)
	switch {
	case p == nil:
		return "", false
	case n%2 == 0 || p.Executable == "":
		return p.Name, true
	}
	return path.Base(p.Executable), true
}

// nth returns one of a few texts.
func nth(n int, texts ...string) (string, bool) {
	if n < len(texts) {
		return texts[n], true
	}
	return "", false
}

// Text is part of query.Row.
func (r *row) Text(field, n int) (string, bool) {
	switch field {
	case Process:
		return r.names(n)
	case Word:
		return r.word(n)
	case Executable, Command, Directory, Parent, Unit, Container:
		p := r.process(n)
		if p == nil {
			return "", false
		}
		return ofProcess(p, field), true
	case Path:
		if r.Peer != nil && r.Peer.Path != "" {
			return nth(n, r.Path, r.Peer.Path)
		}
	case Project:
		if r.Peer != nil {
			return nth(n, r.Project, r.Peer.Project)
		}
	}
	if n > 0 {
		return "", false
	}
	switch field {
	case Protocol:
		return string(r.Protocol), true
	case Family:
		return r.Family, true
	case State:
		return r.State, true
	case Scope:
		return string(r.Scope), r.Scope != ""
	case Path:
		return r.Path, r.Protocol == protocolUnix
	case Project:
		return r.Project, true
	case Namespace:
		return r.NamespaceName, true
	}
	return "", false
}

func ofProcess(p *sockets.Process, field int) string {
	switch field {
	case Executable:
		return p.Executable
	case Command:
		return p.Command
	case Directory:
		return p.Directory
	case Parent:
		return p.ParentName
	case Unit:
		return p.Unit
	}
	return p.Container
}

// word returns what a name that is being typed may be a part of.
func (r *row) word(n int) (string, bool) {
	switch n {
	case 0:
		return r.Project, true
	case 1:
		return r.Service, true
	case 2, 3:
		if r.Peer == nil {
			return "", true
		}
		if n == 2 {
			return r.Peer.Project, true
		}
		return r.Peer.Service, true
	}
	return r.names(n - 4)
}

// Number is part of query.Row.
func (r *row) Number(field, n int) (int64, bool) {
	switch field {
	case Port:
		switch {
		case n == 0 && r.Local != nil:
			return int64(r.Local.Port), true
		case n == 1 && r.Remote != nil:
			return int64(r.Remote.Port), true
		}
		return 0, false
	case PID:
		if p := r.process(n); p != nil {
			return int64(p.PID), true
		}
		return 0, false
	case User:
		return r.user(n)
	}
	if n > 0 {
		return 0, false
	}
	switch field {
	case LocalPort:
		if r.Local != nil {
			return int64(r.Local.Port), true
		}
	case RemotePort:
		if r.Remote != nil {
			return int64(r.Remote.Port), true
		}
	case Inode:
		return int64(r.Inode), true
	case ReceiveQueue:
		return optional(r.RecvQueue)
	case SendQueue:
		return optional(r.SendQueue)
	case Backlog:
		return optional(r.Backlog)
	case Opened:
		if r.OpenedAt != nil {
			return r.OpenedAt.UnixNano(), true
		}
	case Age:
		if r.OpenedAt != nil {
			return int64(r.now().Sub(*r.OpenedAt)), true
		}
	case RTT, Sent, Received, Retransmits:
		if r.TCP != nil {
			return ofTCP(r.TCP, field), true
		}
	}
	return 0, false
}

// user returns whose the socket is, and then as which users its holders run.
// The other end's user is not asked for.
func (r *row) user(n int) (int64, bool) {
	if r.UID != nil {
		if n == 0 {
			return int64(*r.UID), true
		}
		n--
	}
	if n < len(r.Processes) {
		return int64(r.Processes[n].UID), true
	}
	return 0, false
}

func optional(n *uint32) (int64, bool) {
	if n == nil {
		return 0, false
	}
	return int64(*n), true
}

func ofTCP(t *sockets.TCPInfo, field int) int64 {
	switch field {
	case RTT:
		return int64(t.RTT) * int64(time.Microsecond)
	case Sent:
		return int64(t.Sent)
	case Received:
		return int64(t.Received)
	}
	return int64(t.Retransmits)
}

// Address is part of query.Row.
func (r *row) Address(field, n int) (netip.Addr, bool) {
	local, remote := r.Local, r.Remote
	switch field {
	case Local:
		remote = nil
	case Remote:
		local, remote = remote, nil
	}
	switch {
	case n == 0 && local != nil:
		return local.IP, true
	case n == 1 && remote != nil:
		return remote.IP, true
	}
	return netip.Addr{}, false
}

// Endpoint is part of query.Row. A socket that listens on all addresses stands
// for each of them.
func (r *row) Endpoint(_, n int) (at netip.AddrPort, any, ok bool) {
	switch {
	case n == 0 && r.Local != nil:
		return r.Local.AddrPort(), r.Remote == nil && r.Local.IP.IsUnspecified(), true
	case n == 1 && r.Remote != nil:
		return r.Remote.AddrPort(), false, true
	}
	return netip.AddrPort{}, false, false
}

// Pair is part of query.Row.
func (r *row) Pair(_, n int) (owner, name string, ok bool) {
	switch {
	case n == 0:
		return r.Project, r.Service, true
	case n == 1 && r.Peer != nil:
		return r.Peer.Project, r.Peer.Service, true
	}
	return "", "", false
}
