package cli

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// entry is one line for people: a socket, or a connection with both its ends.
type entry struct {
	// row is the client's end where it is on this machine, else the only one.
	row *sockets.Row
	// peer is the other end, nil where it is elsewhere or not in the table.
	peer *sockets.Row
	// flip: row is the server's end, and shown on the right.
	flip bool
	key  uint64 // the usual order
}

// portsView is a table of sockets sorted into what people are shown.
type portsView struct {
	listeners   []entry
	connections []entry
	unix        []entry
	timeWait    int // connections that are summed up
}

// viewOptions say how a table is shown.
type viewOptions struct {
	bothEnds bool // a line for each socket
	timeWait bool // each of them a line
}

// newPortsView sorts a table. The table must stay as it is while the view is used.
func newPortsView(t *sockets.Table, o viewOptions) *portsView {
	return viewRows(t.Rows, listensOn(t.Rows), o)
}

// listensOn gives the ports on which somebody listens.
func listensOn(rows []sockets.Row) *portSet {
	var s portSet
	for i := range rows {
		if r := &rows[i]; r.Remote == nil && r.Local != nil {
			s.add(r.Local.Port)
		}
	}
	return &s
}

// viewRows sorts rows; listens are the ports of servers.
func viewRows(rows []sockets.Row, listens *portSet, o viewOptions) *portsView {
	v := &portsView{}
	nListen, nUnix := 0, 0
	for i := range rows {
		switch r := &rows[i]; {
		case r.Protocol == protocolUnix:
			nUnix++
		case r.Remote == nil:
			nListen++
		}
	}
	v.listeners = make([]entry, 0, nListen)
	v.unix = make([]entry, 0, nUnix)
	v.connections = make([]entry, 0, (len(rows)-nListen-nUnix)/2+1)
	index := newInodeIndex(rows)
	for i := range rows {
		r := &rows[i]
		if r.Protocol == protocolUnix {
			e := entry{row: r}
			if !o.bothEnds && r.Peer != nil && r.Peer.Inode != r.Inode {
				if p := index.find(rows, r.Peer.Inode); p != nil && p.Peer != nil && p.Peer.Inode == r.Inode {
					if unixServer(r) && !unixServer(p) || unixServer(r) == unixServer(p) && r.Inode > p.Inode {
						continue // shown with the other end
					}
					e.peer = p
				}
			}
			v.unix = append(v.unix, e)
			continue
		}
		if r.Remote == nil {
			v.listeners = append(v.listeners, entry{row: r, key: listenerKey(r)})
			continue
		}
		if r.State == "time_wait" && !o.timeWait {
			v.timeWait++
			continue
		}
		e := entry{row: r}
		server := serves(r, listens)
		if r.Peer != nil && r.Peer.Inode != 0 && r.Peer.Inode != r.Inode && !o.bothEnds {
			// Only ends that name each other are one connection.
			if p := index.find(rows, r.Peer.Inode); p != nil && p.Peer != nil && p.Peer.Inode == r.Inode {
				if server {
					continue // shown with the client's end
				}
				e.peer = p
			}
		}
		e.flip = server
		e.key = connectionKey(r, server)
		v.connections = append(v.connections, e)
	}
	return v
}

const protocolUnix loopback.Protocol = "unix"

// unixServer says whether a Unix socket has the name that was connected to.
func unixServer(r *sockets.Row) bool { return r.Path != "" }

// serves says whether the connection's own end is the server's: somebody
// listens on its port and not on the other's, or its port is the smaller one.
// Both ends of a connection come to opposite answers.
func serves(r *sockets.Row, listens *portSet) bool {
	l, p := r.Local, r.Remote
	if a, b := listens.has(l.Port), listens.has(p.Port); a != b {
		return a
	}
	if l.Port != p.Port {
		return l.Port < p.Port
	}
	return l.IP.Less(p.IP)
}

// listenerKey orders listeners by port, then by protocol and address.
func listenerKey(r *sockets.Row) uint64 {
	k := uint64(0)
	if r.Local != nil {
		k = uint64(r.Local.Port)<<48 | uint64(foldIP(r.Local.IP))
	}
	if r.Protocol == loopback.UDP {
		k |= 1 << 47
	}
	return k
}

// connectionKey orders connections by the server's port and address, then by
// the client's port.
func connectionKey(r *sockets.Row, server bool) uint64 {
	s, c := r.Remote, r.Local
	if server {
		s, c = c, s
	}
	return uint64(s.Port)<<48 | uint64(foldIP(s.IP))<<16 | uint64(c.Port)
}

// foldIP gives 32 bits of an address, IPv4 in its order.
func foldIP(ip netip.Addr) uint32 {
	if ip.Is4() {
		a := ip.As4()
		return binary.BigEndian.Uint32(a[:])
	}
	a := ip.As16()
	return binary.BigEndian.Uint32(a[:4]) ^ binary.BigEndian.Uint32(a[4:8]) ^ binary.BigEndian.Uint32(a[8:12]) ^ binary.BigEndian.Uint32(a[12:])
}

// portSet is a set of ports.
type portSet [1 << 16 / 64]uint64

func (s *portSet) add(p uint16)      { s[p/64] |= 1 << (p % 64) }
func (s *portSet) has(p uint16) bool { return s[p/64]&(1<<(p%64)) != 0 }

// inodeIndex finds rows by their inode: a hash table with open addressing,
// since a Go map of as many takes longer to fill than the table to print.
type inodeIndex struct {
	slots []int32 // index of the row and one more; 0 is free
	mask  uint32
}

func newInodeIndex(rows []sockets.Row) *inodeIndex {
	size := 16
	for size < 2*len(rows) {
		size *= 2
	}
	x := &inodeIndex{slots: make([]int32, size), mask: uint32(size - 1)}
	for i := range rows {
		if n := rows[i].Inode; n != 0 {
			at := hashInode(n) & x.mask
			for x.slots[at] != 0 {
				at = (at + 1) & x.mask
			}
			x.slots[at] = int32(i + 1)
		}
	}
	return x
}

// hashInode is Knuth's multiplicative hash.
func hashInode(n uint32) uint32 { n *= 2654435769; return n ^ n>>15 }

func (x *inodeIndex) find(rows []sockets.Row, inode uint32) *sockets.Row {
	for at := hashInode(inode) & x.mask; ; at = (at + 1) & x.mask {
		i := x.slots[at]
		if i == 0 {
			return nil
		}
		if r := &rows[i-1]; r.Inode == inode {
			return r
		}
	}
}

// portsSorts are what --sort knows.
func portsSorts() []string {
	return []string{"port", "process", "pid", "state", "traffic", "rtt", "queue", "age", "address"}
}

// sort orders the entries by what is asked for, "" being the usual order. The
// largest traffic, round-trip time and queue and the oldest come first.
func (v *portsView) sort(by string, reverse bool) {
	compare := compareRows(by)
	for _, es := range [][]entry{v.listeners, v.connections, v.unix} {
		slices.SortFunc(es, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
		if compare != nil {
			slices.SortStableFunc(es, func(a, b entry) int { return compare(a.row, b.row) })
		}
		if reverse {
			slices.Reverse(es)
		}
	}
}

// sortRows orders the rows of a table.
func sortRows(rows []sockets.Row, by string, reverse bool) {
	if compare := compareRows(by); compare != nil {
		slices.SortStableFunc(rows, func(a, b sockets.Row) int { return compare(&a, &b) })
	}
	if reverse {
		slices.Reverse(rows)
	}
}

// compareRows gives a comparison, or nil for "".
func compareRows(by string) func(a, b *sockets.Row) int {
	switch by {
	case "port":
		return func(a, b *sockets.Row) int { return cmp.Compare(portOf(a), portOf(b)) }
	case "address":
		return func(a, b *sockets.Row) int {
			if c := addressOf(a).Compare(addressOf(b)); c != 0 {
				return c
			}
			return cmp.Or(cmp.Compare(portOf(a), portOf(b)), strings.Compare(a.Path, b.Path))
		}
	case "process":
		return func(a, b *sockets.Row) int {
			p, q := firstProcess(a), firstProcess(b)
			return cmp.Or(strings.Compare(p.Name, q.Name), cmp.Compare(p.PID, q.PID))
		}
	case "pid":
		return func(a, b *sockets.Row) int { return cmp.Compare(firstProcess(a).PID, firstProcess(b).PID) }
	case "state":
		return func(a, b *sockets.Row) int { return strings.Compare(a.State, b.State) }
	case "traffic":
		return func(a, b *sockets.Row) int { return cmp.Compare(trafficOf(b), trafficOf(a)) }
	case "rtt":
		return func(a, b *sockets.Row) int { return cmp.Compare(rttOf(b), rttOf(a)) }
	case "queue":
		return func(a, b *sockets.Row) int { return cmp.Compare(queueOf(b), queueOf(a)) }
	case "age":
		return func(a, b *sockets.Row) int { return cmp.Compare(openedOf(a), openedOf(b)) }
	}
	return nil
}

// portOf gives the port that a socket is known by: its own, or the other
// end's if that is the smaller one.
func portOf(r *sockets.Row) uint16 {
	switch {
	case r.Local == nil:
		return 0
	case r.Remote == nil:
		return r.Local.Port
	}
	return min(r.Local.Port, r.Remote.Port)
}

func addressOf(r *sockets.Row) netip.Addr {
	if r.Local == nil {
		return netip.Addr{}
	}
	return r.Local.IP
}

// firstProcess gives the holder that is named first; one without a name where
// there is none.
func firstProcess(r *sockets.Row) *sockets.Process {
	if len(r.Processes) == 0 {
		return &sockets.Process{}
	}
	return r.Processes[0]
}

func trafficOf(r *sockets.Row) uint64 {
	if r.TCP == nil {
		return 0
	}
	return r.TCP.Sent + r.TCP.Received
}

func rttOf(r *sockets.Row) uint32 {
	if r.TCP == nil {
		return 0
	}
	return r.TCP.RTT
}

func queueOf(r *sockets.Row) uint64 {
	n := uint64(r.RecvQueue) + uint64(r.SendQueue)
	if r.Backlog != nil {
		n += uint64(*r.Backlog)
	}
	return n
}

// openedOf gives when a socket was opened; one of which it is not known comes
// last.
func openedOf(r *sockets.Row) int64 {
	if r.OpenedAt == nil {
		return time.Unix(1<<33, 0).UnixNano()
	}
	return r.OpenedAt.UnixNano()
}
