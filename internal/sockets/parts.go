package sockets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// part is one dump and its answer.
type part struct {
	space, conn int
	proto       uint8
	expect      int // sockets
	question    question
	recs        []record
	infos       []TCPInfo
	unix        []unixInfo
	err         error
	missing     error // why sock_diag did not tell it and /proc/net was read
}

// parts returns the dumps that a query needs of one namespace, of which expect
// TCP sockets are expected. The TCP sockets
// of the main table are the long one: the others are read on a second Conn
// meanwhile.
func (q *Query) parts(space, expect int) []*part {
	var out []*part
	code := q.Filter.bytecode()
	add := func(conn int, proto, family, number byte, states uint32) {
		if states == 0 {
			return
		}
		var extensions byte
		if q.TCPInfo && proto == protoTCP {
			extensions = 1 << (attrInfo - 1)
		}
		p := &part{space: space, conn: conn, proto: proto, question: question{
			family: family, protocol: number, states: states, extensions: extensions, code: code,
		}}
		if proto == protoTCP && states&(1<<StateEstablished) != 0 && code == nil {
			p.expect = expect
		}
		out = append(out, p)
	}
	wants := func(p loopback.Protocol) bool {
		return len(q.Protocols) == 0 || slices.Contains(q.Protocols, string(p))
	}
	if wants(loopback.TCP) {
		states := q.kernelStates(protoTCP)
		add(0, protoTCP, unix.AF_UNSPEC, unix.IPPROTO_TCP, states&^(1<<stateBoundInactive))
		// These stand in another table, which is walked after the main one.
		add(1, protoTCP, unix.AF_UNSPEC, unix.IPPROTO_TCP, states&(1<<stateBoundInactive))
	}
	if wants(loopback.UDP) {
		states := q.kernelStates(protoUDP)
		add(1, protoUDP, unix.AF_INET, unix.IPPROTO_UDP, states)
		add(1, protoUDP, unix.AF_INET6, unix.IPPROTO_UDP, states)
	}
	f := &q.Filter
	if (q.Unix || slices.Contains(q.Protocols, "unix")) && len(f.Ports)+len(f.Addresses)+len(f.Scopes) == 0 {
		if states := q.kernelStates(protoUnix); states != 0 {
			out = append(out, &part{space: space, conn: 1, proto: protoUnix, question: question{family: unix.AF_UNIX, states: states}})
		}
	}
	return out
}

// dump reads the sockets of all spaces.
func (s *Snapshot) dump(ctx context.Context, q *Query) error {
	var parts []*part
	var wg sync.WaitGroup
	for i := range s.spaces {
		sp := &s.spaces[i]
		mine := q.parts(i, sp.expect)
		parts = append(parts, mine...)
		for n, conn := range sp.conns {
			wg.Go(func() {
				for _, p := range mine {
					if p.conn == n {
						p.read(ctx, conn)
					}
				}
			})
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
		case p.err == nil:
		case errors.Is(p.err, ErrInterrupted):
			s.warnings = append(s.warnings, fmt.Sprintf("%s sockets may be missing: %v", p.name(), p.err))
		default:
			return fmt.Errorf("dump %s: %w", p.name(), p.err)
		}
		total += len(p.recs)
	}
	s.warnings = append(s.warnings, missingParts(parts)...)
	// Most are in the first, which has been given room for the others.
	if len(parts) > 0 {
		s.recs = slices.Grow(parts[0].recs, total-len(parts[0].recs))[:0]
	}
	for _, p := range parts {
		base := uint32(len(s.infos))
		if p.proto == protoUnix {
			base = uint32(len(s.unix))
		}
		for i := range p.recs {
			if p.recs[i].extra != 0 {
				p.recs[i].extra += base
			}
		}
		s.recs = append(s.recs, p.recs...)
		s.infos = append(s.infos, p.infos...)
		s.unix = append(s.unix, p.unix...)
		p.recs, p.infos, p.unix = nil, nil, nil
	}
	s.dropDoubleBound()
	return nil
}

// dropDoubleBound leaves out bound sockets that had begun to listen or connect
// when the main table was read: both tables were read at the same time.
func (s *Snapshot) dropDoubleBound() {
	var bound map[uint64]int
	for i := range s.recs {
		if r := &s.recs[i]; r.proto == protoTCP && r.state == StateClose && r.cookie != 0 {
			if bound == nil {
				bound = make(map[uint64]int)
			}
			bound[r.cookie] = i
		}
	}
	if bound == nil {
		return
	}
	for i := range s.recs {
		r := &s.recs[i]
		if b, ok := bound[r.cookie]; ok && b != i && r.proto == protoTCP {
			s.recs[b].flags |= flagGone
		}
	}
}

func (p *part) name() string {
	switch p.proto {
	case protoUDP:
		return "UDP"
	case protoUnix:
		return "Unix"
	}
	return "TCP"
}

// table is the kernel's that the part is of.
func (p *part) table() table {
	return [...]table{protoTCP: tableTCP, protoUDP: tableUDP, protoUnix: tableUnix}[p.proto]
}

// read makes the dump.
func (p *part) read(ctx context.Context, c *Conn) {
	reset := func() { p.recs, p.infos, p.unix = p.recs[:0], p.infos[:0], p.unix[:0] }
	if p.expect > 0 {
		p.recs = make([]record, 0, p.expect+p.expect/64+256)
	}
	proc := false
	p.err = c.either(p.table(), func() error { return p.readDiag(ctx, c, reset) }, func() error {
		reset()
		proc = true
		return p.readProc(ctx, &c.proc)
	})
	if proc {
		p.missing = c.why(p.table())
	}
}

// readDiag asks sock_diag.
func (p *part) readDiag(ctx context.Context, c *Conn, reset func()) error {
	if p.proto == protoUnix {
		return c.collect(ctx, unixQuestion(p.question.states), reset, p.addUnix)
	}
	err := c.collect(ctx, p.question.bytes(), reset, p.addInet)
	if p.question.family != unix.AF_UNSPEC || !(errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP)) {
		return err
	}
	// A kernel without the older form of the question.
	reset()
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		ask := p.question
		ask.family = family
		recs, infos := len(p.recs), len(p.infos)
		err := c.collect(ctx, ask.bytes(), func() { p.recs, p.infos = p.recs[:recs], p.infos[:infos] }, p.addInet)
		if err != nil {
			return err
		}
	}
	return nil
}

// readProc reads /proc/net, which knows no filter but the states.
func (p *part) readProc(ctx context.Context, from *procNet) error {
	q := &p.question
	if p.proto == protoUnix {
		return from.unix(ctx, q.states, func(r *record, info unixInfo) error {
			r.space = uint16(p.space)
			p.unix = append(p.unix, info)
			r.extra = uint32(len(p.unix))
			p.recs = append(p.recs, *r)
			return nil
		})
	}
	for _, six := range []bool{false, true} {
		if six && q.family == unix.AF_INET || !six && q.family == unix.AF_INET6 {
			continue
		}
		err := from.inet(ctx, p.table(), six, q.states, func(r *record) error {
			r.space = uint16(p.space)
			p.recs = append(p.recs, *r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// missingParts reports which sockets are not told by sock_diag, one line for each
// module, or one where netlink is refused altogether.
func missingParts(parts []*part) []string {
	var out []string
	for _, p := range parts {
		if p.missing == nil {
			continue
		}
		line := fmt.Sprintf("sockets are read from /proc/net, which tells less of each (lodge doctor): %v", p.missing)
		if errors.Is(p.missing, errNoModule) {
			line = p.name() + " " + line
		}
		if !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out
}

func (p *part) addInet(body []byte) error {
	p.recs = append(p.recs, record{peer: -1, space: uint16(p.space), proto: p.proto})
	r := &p.recs[len(p.recs)-1]
	if p.question.extensions == 0 {
		return parseRecord(body, r, nil)
	}
	var info TCPInfo
	if err := parseRecord(body, r, &info); err != nil {
		return err
	}
	if info != (TCPInfo{}) {
		p.infos = append(p.infos, info)
		r.extra = uint32(len(p.infos))
	}
	return nil
}

func (p *part) addUnix(body []byte) error {
	r := record{peer: -1, space: uint16(p.space)}
	var info unixInfo
	if err := parseUnix(body, &r, &info); err != nil {
		return err
	}
	p.unix = append(p.unix, info)
	r.extra = uint32(len(p.unix))
	p.recs = append(p.recs, r)
	return nil
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
