package track

import (
	"net/netip"
	"slices"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// socketKey tells sockets apart. The kernel gives each a cookie, which it keeps
// up to TIME_WAIT; where none is known a connection's ends are the key, or else
// the inode.
type socketKey struct {
	namespace     uint32
	cookie        uint64
	protocol      loopback.Protocol
	local, remote netip.AddrPort
	path          string
	inode         uint32
}

func keyOf(r *sockets.Row) socketKey {
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

// Diff returns what has changed from one table to a later one of the same query,
// which was read at the given time: which sockets were closed and opened, and of
// which the state, the ends, the holders or the project are others. Queues and
// counters change all the time and are left out. Closed sockets come first, in
// the order of before; then the others, in the order of after.
func Diff(before, after *sockets.Table, at time.Time) []Change {
	old := make(map[socketKey]*sockets.Row, len(before.Rows))
	for i := range before.Rows {
		old[keyOf(&before.Rows[i])] = &before.Rows[i]
	}
	var changes, closed []Change
	for i := range after.Rows {
		r := &after.Rows[i]
		k := keyOf(r)
		b, ok := old[k]
		if !ok {
			changes = append(changes, newChange(at, Open, nil, r))
			continue
		}
		if b != nil {
			if kind := differs(b, r); kind != "" {
				changes = append(changes, newChange(at, kind, b, r))
			}
		}
		old[k] = nil // still there
	}
	for i := range before.Rows {
		k := keyOf(&before.Rows[i])
		if old[k] != nil {
			closed = append(closed, newChange(at, Close, old[k], nil))
			old[k] = nil
		}
	}
	return append(closed, changes...)
}

// differs returns how a socket has changed, "" for not at all.
func differs(a, b *sockets.Row) Kind {
	switch {
	case a.State != b.State, a.Path != b.Path, !sameAddress(a.Local, b.Local), !sameAddress(a.Remote, b.Remote):
		return State
	case a.Unknown != b.Unknown, a.Project != b.Project, a.Service != b.Service, !sameProcesses(a.Processes, b.Processes):
		return Holder
	}
	return ""
}

func sameAddress(a, b *sockets.Address) bool {
	return a == nil && b == nil || a != nil && b != nil && *a == *b
}

func sameProcesses(a, b []*sockets.Process) bool {
	return slices.EqualFunc(a, b, func(x, y *sockets.Process) bool { return x.PID == y.PID && x.Start == y.Start })
}
