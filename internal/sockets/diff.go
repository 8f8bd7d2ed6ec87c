package sockets

import (
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
)

// ChangeKind says what happened to a socket between two tables.
type ChangeKind string

// The kinds of change.
const (
	Opened  ChangeKind = "opened"
	Closed  ChangeKind = "closed"
	Changed ChangeKind = "changed"
)

// Change is a socket that differs between two tables.
type Change struct {
	Kind ChangeKind
	// Before is nil for one that was opened, After for one that was closed.
	Before, After *Row
}

// Row returns the newest that is known of the socket.
func (c Change) Row() *Row {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// socketKey tells sockets apart. The kernel gives each a cookie, which it keeps
// up to TIME_WAIT; where none is known a connection's ends must do, or else the
// inode.
type socketKey struct {
	namespace     uint32
	cookie        uint64
	protocol      loopback.Protocol
	local, remote netip.AddrPort
	path          string
	inode         uint32
}

func keyOf(r *Row) socketKey {
	k := socketKey{namespace: r.Namespace, cookie: r.Cookie, protocol: r.Protocol}
	if k.cookie != 0 {
		return k
	}
	if r.Local != nil {
		k.local = r.Local.AddrPort()
	}
	if r.Remote != nil {
		k.remote = r.Remote.AddrPort()
	} else {
		k.inode = r.Inode
	}
	k.path = r.Path
	return k
}

// Diff reports what has changed from one table to a later one of the same query:
// which sockets were closed and opened, and of which the state, the ends, the
// holders or the project are others. Queues and counters change all the time
// and are not told. Closed ones come first, in the order of before; then the
// others, in the order of after.
func Diff(before, after *Table) []Change {
	old := make(map[socketKey]*Row, len(before.Rows))
	for i := range before.Rows {
		old[keyOf(&before.Rows[i])] = &before.Rows[i]
	}
	var changes, closed []Change
	for i := range after.Rows {
		r := &after.Rows[i]
		k := keyOf(r)
		b, ok := old[k]
		switch {
		case !ok:
			changes = append(changes, Change{Kind: Opened, After: r})
		case b != nil && differs(b, r):
			changes = append(changes, Change{Kind: Changed, Before: b, After: r})
		}
		if ok {
			old[k] = nil // still there
		}
	}
	for i := range before.Rows {
		r := &before.Rows[i]
		k := keyOf(r)
		if old[k] != nil {
			closed = append(closed, Change{Kind: Closed, Before: old[k]})
			old[k] = nil
		}
	}
	return append(closed, changes...)
}

func differs(a, b *Row) bool {
	return a.State != b.State || a.Unknown != b.Unknown || a.Project != b.Project || a.Service != b.Service || a.Path != b.Path ||
		!sameAddress(a.Local, b.Local) || !sameAddress(a.Remote, b.Remote) || !sameProcesses(a.Processes, b.Processes)
}

func sameAddress(a, b *Address) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameProcesses(a, b []*holders.Process) bool {
	return slices.EqualFunc(a, b, func(x, y *holders.Process) bool { return x.PID == y.PID && x.Start == y.Start })
}
