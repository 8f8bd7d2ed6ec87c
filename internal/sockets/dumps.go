package sockets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
)

// part is one dump of a namespace, made on one of its two Conns.
type part struct {
	diag.Listing
	conn int
}

// partsOf returns the dumps that a query needs of one namespace, in which expect
// TCP sockets are expected. The main table of TCP takes longest: of many sockets, the
// others are read on a second Conn meanwhile.
func partsOf(q *Query, space, expect int) []*part {
	var out []*part
	code := q.Filter.bytecode()
	add := func(conn int, proto, family, number byte, states uint32) {
		if states == 0 {
			return
		}
		p := &part{conn: conn, Listing: diag.Listing{Space: uint16(space), Proto: proto, Question: diag.Question{
			Family: family, Protocol: number, States: states, Info: q.TCPInfo && proto == diag.ProtoTCP, Code: code,
		}}}
		if proto == diag.ProtoTCP && states&(1<<diag.StateEstablished) != 0 && code == nil {
			p.Expect = expect
		}
		out = append(out, p)
	}
	wants := func(p loopback.Protocol) bool {
		return len(q.Protocols) == 0 || slices.Contains(q.Protocols, string(p))
	}
	if wants(loopback.TCP) {
		states := q.kernelStates(diag.ProtoTCP)
		add(0, diag.ProtoTCP, unix.AF_UNSPEC, unix.IPPROTO_TCP, states&^(1<<diag.StateBoundInactive))
		// These stand in another table, which is walked after the main one.
		add(1, diag.ProtoTCP, unix.AF_UNSPEC, unix.IPPROTO_TCP, states&(1<<diag.StateBoundInactive))
	}
	if wants(loopback.UDP) {
		states := q.kernelStates(diag.ProtoUDP)
		add(1, diag.ProtoUDP, unix.AF_INET, unix.IPPROTO_UDP, states)
		add(1, diag.ProtoUDP, unix.AF_INET6, unix.IPPROTO_UDP, states)
	}
	f := &q.Filter
	if (q.Unix || slices.Contains(q.Protocols, "unix")) && len(f.Ports)+len(f.Addresses)+len(f.Scopes) == 0 {
		if states := q.kernelStates(diag.ProtoUnix); states != 0 {
			out = append(out, &part{conn: 1, Listing: diag.Listing{Space: uint16(space), Proto: diag.ProtoUnix, Question: diag.Question{Family: unix.AF_UNIX, States: states}}})
		}
	}
	return out
}

// inTurn is up to how many TCP sockets the dumps of a namespace are made one after the
// other: the threads for two at once cost more than that.
const inTurn = 2000

// dumpAll reads the sockets of all spaces.
func dumpAll(ctx context.Context, s *Snapshot, q *Query) error {
	var parts []*part
	var wg sync.WaitGroup
	for i := range s.spaces {
		sp := &s.spaces[i]
		mine := partsOf(q, i, sp.expect)
		parts = append(parts, mine...)
		for n, conn := range sp.conns {
			read := func() {
				for _, p := range mine {
					if p.conn == n {
						p.Read(ctx, conn)
					}
				}
			}
			if sp.counted && sp.expect <= inTurn {
				read()
			} else {
				wg.Go(read)
			}
		}
		if i > 0 {
			wg.Wait() // of hundreds of namespaces, one at a time
		}
	}
	err := s.spaces[0].look(q.Hints) // meanwhile
	wg.Wait()
	if err != nil {
		return err
	}
	total := 0
	for _, p := range parts {
		switch {
		case p.Err == nil:
		case errors.Is(p.Err, diag.ErrInterrupted):
			s.warnings = append(s.warnings, fmt.Sprintf("%s sockets may be missing: %v", p.Name(), p.Err))
		default:
			return fmt.Errorf("dump %s: %w", p.Name(), p.Err)
		}
		total += len(p.Recs)
	}
	s.warnings = append(s.warnings, missingParts(parts)...)
	// Most are in the first, which has been given room for the others.
	if len(parts) > 0 {
		s.recs = slices.Grow(parts[0].Recs, total-len(parts[0].Recs))[:0]
	}
	for _, p := range parts {
		base := uint32(len(s.infos))
		if p.Proto == diag.ProtoUnix {
			base = uint32(len(s.unix))
		}
		for i := range p.Recs {
			if p.Recs[i].Extra != 0 {
				p.Recs[i].Extra += base
			}
		}
		s.recs = append(s.recs, p.Recs...)
		s.infos = append(s.infos, p.Infos...)
		s.unix = append(s.unix, p.Unix...)
		p.Recs, p.Infos, p.Unix = nil, nil, nil
	}
	dropDoubleBound(s)
	return nil
}

// dropDoubleBound leaves out bound sockets that had begun to listen or connect
// when the main table was read: both tables were read at the same time.
func dropDoubleBound(s *Snapshot) {
	var bound map[uint64]int
	for i := range s.recs {
		if r := &s.recs[i]; r.Proto == diag.ProtoTCP && r.State == diag.StateClose && r.Cookie != 0 {
			if bound == nil {
				bound = make(map[uint64]int)
			}
			bound[r.Cookie] = i
		}
	}
	if bound == nil {
		return
	}
	for i := range s.recs {
		r := &s.recs[i]
		if b, ok := bound[r.Cookie]; ok && b != i && r.Proto == diag.ProtoTCP {
			s.recs[b].Flags |= diag.FlagGone
		}
	}
}

// missingParts reports which sockets are not told by sock_diag, one line for each
// module, or one where netlink is refused altogether.
func missingParts(parts []*part) []string {
	var out []string
	for _, p := range parts {
		if p.Missing == nil {
			continue
		}
		line := fmt.Sprintf("sockets are read from /proc/net, which tells less of each (lodge doctor): %v", p.Missing)
		if errors.Is(p.Missing, diag.ErrNoModule) {
			line = p.Name() + " " + line
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

// kernelTellsBound reports whether the kernel is Linux 6.8 or later, which tells
// TCP sockets that are bound but do not listen (TCP_BOUND_INACTIVE).
func kernelTellsBound() bool {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	var major, minor int
	n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return n < 2 || major > 6 || major == 6 && minor >= 8
}
