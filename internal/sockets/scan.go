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

// space is a network namespace that sockets are read from.
type space struct {
	inode uint32 // zero for the one that lodge runs in
	name  string
	conn  *Conn
}

// unixInfo is what only a Unix socket has.
type unixInfo struct {
	path, kind string
	peer       uint32 // inode
}

// Scan is List for very many sockets: it holds them in little memory and
// makes a Row only when it is asked for.
func Scan(ctx context.Context, q Query) (*Snapshot, error) {
	s := &Snapshot{homes: q.Homes}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	defer s.close()
	if err := s.dump(ctx, &q); err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	joinPeers(s.recs)
	want := s.selectSockets(&q)
	if !q.NoProcesses {
		if err := s.findOwners(ctx, &q, want); err != nil {
			return nil, fmt.Errorf("list sockets: %w", err)
		}
	}
	s.users = readUsers()
	s.show(&q)
	return s, nil
}

func (s *Snapshot) open() error {
	c, err := Open()
	if err != nil {
		return err
	}
	s.spaces = append(s.spaces, space{conn: c})
	names, err := readScopes()
	if err != nil {
		s.warnings = append(s.warnings, "interfaces cannot be read, so the scope of addresses may be wrong: "+err.Error())
	}
	s.scopes = append(s.scopes, names)
	return nil
}

func (s *Snapshot) close() {
	for i := range s.spaces {
		if c := s.spaces[i].conn; c != nil {
			_ = c.Close() // only read from
			s.spaces[i].conn = nil
		}
	}
}

// part is one dump's share of the answer.
type part struct {
	space    int
	proto    uint8
	question question
	recs     []record
	infos    []TCPInfo
	err      error
}

func (q *Query) parts(space int) []*part {
	var out []*part
	for _, proto := range []uint8{protoTCP, protoUDP} {
		name, number := loopback.TCP, byte(unix.IPPROTO_TCP)
		if proto == protoUDP {
			name, number = loopback.UDP, unix.IPPROTO_UDP
		}
		if len(q.Protocols) > 0 && !slices.Contains(q.Protocols, string(name)) {
			continue
		}
		states := q.kernelStates(proto)
		if states == 0 {
			continue
		}
		var ext byte
		if q.TCPInfo && proto == protoTCP {
			ext = 1 << (attrInfo - 1)
		}
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			out = append(out, &part{space: space, proto: proto, question: question{family: family, protocol: number, states: states, extensions: ext}})
		}
	}
	return out
}

// dump reads the sockets of all spaces.
func (s *Snapshot) dump(ctx context.Context, q *Query) error {
	var parts []*part
	var wg sync.WaitGroup
	for i := range s.spaces {
		mine := q.parts(i)
		parts = append(parts, mine...)
		wg.Go(func() {
			for _, p := range mine {
				p.read(ctx, s.spaces[i].conn)
			}
		})
	}
	wg.Wait()
	total := 0
	for _, p := range parts {
		switch {
		case p.err == nil:
		case errors.Is(p.err, unix.ENOENT):
			s.warnings = append(s.warnings, fmt.Sprintf("%s sockets cannot be read: the kernel has no module for them (udp_diag, tcp_diag)", p.name()))
		case errors.Is(p.err, ErrInterrupted):
			s.warnings = append(s.warnings, fmt.Sprintf("%s sockets may be missing: %v", p.name(), p.err))
		default:
			return fmt.Errorf("dump %s: %w", p.name(), p.err)
		}
		total += len(p.recs)
	}
	s.recs = make([]record, 0, total)
	for _, p := range parts {
		for _, r := range p.recs {
			if r.extra != 0 {
				r.extra += uint32(len(s.infos))
			}
			s.recs = append(s.recs, r)
		}
		s.infos = append(s.infos, p.infos...)
		p.recs, p.infos = nil, nil
	}
	return nil
}

func (p *part) name() string {
	if p.proto == protoUDP {
		return "UDP"
	}
	return "TCP"
}

func (p *part) read(ctx context.Context, c *Conn) {
	p.err = c.collect(ctx, p.question.bytes(), func() { p.recs, p.infos = p.recs[:0], p.infos[:0] }, func(body []byte) error {
		r := record{peer: -1, space: uint16(p.space), proto: p.proto}
		var info TCPInfo
		if err := parseRecord(body, &r, &info); err != nil {
			return err
		}
		if p.question.extensions != 0 && info != (TCPInfo{}) {
			p.infos = append(p.infos, info)
			r.extra = uint32(len(p.infos))
		}
		p.recs = append(p.recs, r)
		return nil
	})
}

// selectSockets marks what the query wants, as far as that can be told without
// processes, and gives the inodes whose holders are to be found: of those and
// of their other ends.
func (s *Snapshot) selectSockets(q *Query) *inodeSet {
	n := 0
	for i := range s.recs {
		r := &s.recs[i]
		if r.flags&flagGone == 0 && q.matchSocket(s, r) {
			r.flags |= flagWanted
			n++
		}
	}
	want := newInodeSet(2 * n)
	for i := range s.recs {
		if r := &s.recs[i]; r.flags&flagWanted != 0 {
			want.add(r.inode)
			if r.peer >= 0 {
				want.add(s.recs[r.peer].inode)
			}
		}
	}
	return want
}

// show settles which rows are shown, now that their owners are known.
func (s *Snapshot) show(q *Query) {
	var m rowMaker
	byOwner := q.Filter.byOwner()
	for i := range s.recs {
		r := &s.recs[i]
		if r.flags&flagWanted == 0 || r.flags&flagGone != 0 {
			continue
		}
		if byOwner && !q.Filter.matchOwner(m.fill(s, uint32(i))) {
			continue
		}
		s.shown = append(s.shown, uint32(i))
		if r.flags&flagUnknown != 0 {
			s.unknown++
		}
	}
}
