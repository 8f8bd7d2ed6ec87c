package diag

import (
	"context"
	"net/netip"
)

// find returns the socket that the kernel would choose for what is sent from
// remote to local (net/ipv4/inet_hashtables.c, net/ipv4/udp.c): one that is
// connected to remote, else one at the address, else one at all addresses. A
// remote that is not valid is one that no socket is connected to.
func (p *procNet) find(t table, local, remote netip.AddrPort) (Record, bool, error) {
	states := uint32(Listening)
	if t != tableTCP || remote.IsValid() {
		states = AllStates
	}
	c := newChoice(t, local, remote)
	for _, six := range []bool{false, true} {
		if !six && !c.four {
			continue
		}
		if err := p.inet(context.Background(), t, six, states, c.consider); err != nil {
			return Record{}, false, err
		}
	}
	return c.best, c.score > 0, nil
}

// choice is the best socket so far for what is sent from remote to local.
type choice struct {
	t                     table
	local, remote         [16]byte
	localPort, remotePort uint16
	known                 bool // remote is known
	four                  bool // it goes by IPv4
	best                  Record
	score                 int
}

func newChoice(t table, local, remote netip.AddrPort) *choice {
	c := &choice{t: t, localPort: local.Port(), four: local.Addr().Unmap().Is4(), local: local.Addr().As16()}
	if remote.IsValid() {
		c.known, c.remote, c.remotePort = true, remote.Addr().As16(), remote.Port()
	}
	return c
}

func (c *choice) consider(r *Record) error {
	if n := c.rank(r); n > c.score {
		c.best, c.score = *r, n
	}
	return nil
}

// rank returns how well a socket fits; zero is not at all.
func (c *choice) rank(r *Record) int {
	if r.LocalPort != c.localPort {
		return 0
	}
	n := 1
	switch {
	case r.Local == c.local:
		n += 4
	case !c.isWildcard(r):
		return 0
	}
	if r.RemotePort != 0 {
		if !c.known || r.RemotePort != c.remotePort || r.Remote != c.remote {
			return 0
		}
		n += 8
	} else if c.t == tableTCP && r.State != StateListen {
		return 0
	}
	if r.Family != familyIPv6 {
		n++
	}
	return n
}

// isWildcard reports whether a socket is bound to all addresses of the family.
// Whether one of IPv6 takes what comes by IPv4 stands nowhere in /proc.
func (c *choice) isWildcard(r *Record) bool {
	if r.Local == [16]byte{} {
		return r.Family == familyIPv6
	}
	return c.four && r.Local == [16]byte{10: 0xff, 11: 0xff}
}

// Lookups answers many questions about single sockets. Where sock_diag is
// missing it reads a table once for all of them, when the first is asked.
type Lookups struct {
	Conn *Conn
	read [tableCount]*byPort
}

// byPort is a table that was read from /proc/net.
type byPort struct {
	recs  []Record
	ports map[uint16][]int32
}

// Again asks for the socket of a record, or the one that local and remote are
// of, in the record's form.
func (l *Lookups) Again(proto uint8, local, remote netip.AddrPort, iface uint32) (Record, bool, error) {
	t := tableTCP
	if proto == ProtoUDP {
		t = tableUDP
	}
	if l.read[t] == nil {
		l.Conn.mu.Lock()
		missing := l.Conn.missing(t)
		l.Conn.mu.Unlock()
		if !missing {
			return l.Conn.again(proto, local, remote, iface)
		}
		var err error
		if l.read[t], err = readByPort(l.Conn, t, AllStates); err != nil {
			return Record{}, false, err
		}
	}
	r, ok := l.read[t].find(t, local, remote)
	return r, ok, nil
}

func (b *byPort) find(t table, local, remote netip.AddrPort) (Record, bool) {
	c := newChoice(t, local, remote)
	for _, i := range b.ports[local.Port()] {
		_ = c.consider(&b.recs[i]) // it has no error
	}
	return c.best, c.score > 0
}

func readByPort(c *Conn, t table, states uint32) (*byPort, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &byPort{ports: make(map[uint16][]int32)}
	for _, six := range []bool{false, true} {
		err := c.proc.inet(context.Background(), t, six, states, func(r *Record) error {
			b.ports[r.LocalPort] = append(b.ports[r.LocalPort], int32(len(b.recs)))
			b.recs = append(b.recs, *r)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}
