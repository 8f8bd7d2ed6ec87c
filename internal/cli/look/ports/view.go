package ports

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// rowSource is a table of sockets: a sockets.Snapshot, or rows that are there.
type rowSource interface {
	Len() int
	// Row makes a row in m; it is valid until m is used again.
	Row(i int, m *sockets.RowMaker) *sockets.Row
	Brief(i int) sockets.Brief
}

// entry is one line for people: a socket, or a connection with both its ends.
type entry struct {
	key uint64 // the usual order
	// index is that of the client's end, where it is on this machine, else of
	// the only one; other is that of the other end, -1 where it is elsewhere.
	index, other int32
	// flip: the entry's own row is the server's end, and shown on the right.
	flip bool
}

// view is a table of sockets sorted into what people are shown.
type view struct {
	source      rowSource
	listeners   []entry
	connections []entry
	unix        []entry
	timeWait    int // connections that are summed up
	// What any of them has, and so a column: see columns.
	listenFacts, connectFacts, unixFacts facts
}

// facts say what there is to show of many sockets.
type facts struct {
	notListening, wide, queued, namespace bool
}

// add takes the facts of a row that has a line of its own.
func (f *facts) add(b *sockets.Brief) {
	f.addOther(b)
	f.notListening = f.notListening || b.Protocol == loopback.TCP && b.State != "listen"
	f.wide = f.wide || wide(b.Scope)
	f.namespace = f.namespace || b.Namespace != 0
}

// addOther takes those of a row that is shown with the other end.
func (f *facts) addOther(b *sockets.Brief) { f.queued = f.queued || b.Queued }

// viewOptions say how a table is shown.
type viewOptions struct {
	bothEnds bool // a line for each socket
	timeWait bool // each of them a line
}

// newView sorts a table. The table must stay as it is while the view is used.
func newView(s rowSource, o viewOptions) *view {
	return viewRows(s, listensOn(s), o)
}

// listensOn returns the ports on which a socket listens.
func listensOn(s rowSource) *portSet {
	var set portSet
	for i := range s.Len() {
		if b := s.Brief(i); !b.Remote.IsValid() && b.Local.IsValid() {
			set.add(b.Local.Port())
		}
	}
	return &set
}

// viewRows sorts rows; listens are the ports of servers.
func viewRows(s rowSource, listens *portSet, o viewOptions) *view {
	v := &view{source: s}
	for i := range s.Len() {
		b := s.Brief(i)
		e := entry{index: int32(i), other: -1}
		switch {
		case b.Protocol == protocolUnix:
			if b.Peer >= 0 && b.Peer != i && !o.bothEnds {
				if !v.unixFirst(i, b.Peer) {
					v.unixFacts.addOther(&b)
					continue // shown with the other end
				}
				e.other = int32(b.Peer)
			}
			v.unixFacts.add(&b)
			v.unix = append(v.unix, e)
		case !b.Remote.IsValid():
			v.listenFacts.add(&b)
			e.key = listenerKey(&b)
			v.listeners = append(v.listeners, e)
		case b.State == "time_wait" && !o.timeWait:
			v.timeWait++
		default:
			e.flip = serves(&b, listens)
			if b.Peer >= 0 && b.Peer != i && !o.bothEnds {
				if e.flip {
					v.connectFacts.addOther(&b)
					continue // shown with the client's end
				}
				e.other = int32(b.Peer)
			}
			v.connectFacts.add(&b)
			e.key = connectionKey(&b, e.flip)
			v.connections = append(v.connections, e)
		}
	}
	return v
}

const protocolUnix loopback.Protocol = "unix"

// unixFirst reports which end of a connection over a Unix socket is shown on the
// left: the one without the name that was connected to.
func (v *view) unixFirst(i, peer int) bool {
	var m, n sockets.RowMaker
	a, b := v.source.Row(i, &m), v.source.Row(peer, &n)
	if named, other := a.Path != "", b.Path != ""; named != other {
		return other
	}
	return i < peer
}

// serves reports whether the connection's own end is the server's: a socket
// listens on its port and not on the other's, or its port is the smaller one.
// Both ends of a connection come to opposite answers.
func serves(b *sockets.Brief, listens *portSet) bool {
	l, p := b.Local, b.Remote
	if a, b := listens.has(l.Port()), listens.has(p.Port()); a != b {
		return a
	}
	if l.Port() != p.Port() {
		return l.Port() < p.Port()
	}
	return l.Addr().Less(p.Addr())
}

// listenerKey orders listeners by port, then by protocol and address.
func listenerKey(b *sockets.Brief) uint64 {
	k := uint64(b.Local.Port())<<48 | uint64(foldIP(b.Local.Addr()))
	if b.Protocol == loopback.UDP {
		k |= 1 << 47
	}
	return k
}

// connectionKey orders connections by the server's port and address, then by
// the client's port.
func connectionKey(b *sockets.Brief, server bool) uint64 {
	s, c := b.Remote, b.Local
	if server {
		s, c = c, s
	}
	return uint64(s.Port())<<48 | uint64(foldIP(s.Addr()))<<16 | uint64(c.Port())
}

// foldIP returns 32 bits of an address, IPv4 in its order.
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

// sort orders the entries by what is asked for, "" being the usual order.
func (v *view) sort(by string, reverse bool) {
	for _, es := range [][]entry{v.listeners, v.connections, v.unix} {
		slices.SortFunc(es, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
		if by != "" {
			sortBy(v.source, es, by, func(e entry) int { return int(e.index) })
		}
		if reverse {
			slices.Reverse(es)
		}
	}
}

// tableSource is rows that are there.
type tableSource struct {
	rows  []sockets.Row
	peers map[uint32]int // by inode
}

func newTableSource(rows []sockets.Row) *tableSource {
	s := &tableSource{rows: rows, peers: make(map[uint32]int, len(rows))}
	for i := range rows {
		if n := rows[i].Inode; n != 0 {
			s.peers[n] = i
		}
	}
	return s
}

func (s *tableSource) Len() int { return len(s.rows) }

func (s *tableSource) Row(i int, _ *sockets.RowMaker) *sockets.Row { return &s.rows[i] }

func (s *tableSource) Brief(i int) sockets.Brief {
	r := &s.rows[i]
	b := sockets.Brief{
		Protocol: r.Protocol, State: r.State, Scope: r.Scope, Inode: r.Inode, Namespace: r.Namespace, Peer: -1, Queued: queueOf(r) > 0,
	}
	if r.Local != nil {
		b.Local = r.Local.AddrPort()
	}
	if r.Remote != nil {
		b.Remote = r.Remote.AddrPort()
	}
	if r.Peer != nil && r.Peer.Inode != 0 {
		// Only ends that name each other are one connection.
		if p, ok := s.peers[r.Peer.Inode]; ok && s.rows[p].Peer != nil && s.rows[p].Peer.Inode == r.Inode {
			b.Peer = p
		}
	}
	return b
}
