package sockets

import (
	"context"
	"fmt"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// List reads the sockets that q asks for. Its rows take about 700 bytes each:
// for very many there is Scan.
func List(ctx context.Context, q Query) (*Table, error) {
	s, err := Scan(ctx, q)
	if err != nil {
		return nil, err
	}
	return s.Table(), nil
}

// Scan is List for very many sockets: it holds them in little memory and
// makes a Row only when it is asked for.
func Scan(ctx context.Context, q Query) (*Snapshot, error) {
	s := &Snapshot{homes: q.Homes}
	withMoved(&q)
	if err := s.read(ctx, &q); err != nil {
		return nil, fmt.Errorf("list sockets: %w", err)
	}
	return s, nil
}

func (s *Snapshot) read(ctx context.Context, q *Query) error {
	if err := q.check(); err != nil {
		return err
	}
	defer s.closeSpaces()
	if err := s.openSpaces(q); err != nil {
		return err
	}
	if !q.NoProcesses && !q.Quick && q.Live == nil && q.Asked == nil {
		s.ahead = holders.StartPrefetch()
		defer s.ahead.Close()
	}
	if err := dumpAll(ctx, s, q); err != nil {
		return err
	}
	s.spaces[0].learn(q.Diag)
	q.wait(ctx, s)
	if slices.Contains(q.States, "bound") && !kernelTellsBound() && s.spaces[0].conns[0].Why(diag.ProtoTCP) == nil {
		s.warnings = append(s.warnings, "TCP sockets that are bound but do not listen are told by Linux 6.8 and later only")
	}
	joinPeers(s.recs)
	if len(s.spaces) > 1 {
		joinAcross(s.recs)
	}
	joinUnix(s)
	s.selectSockets(q)
	if err := s.lookUpPeers(q); err != nil {
		return err
	}
	if !q.NoProcesses {
		if err := findOwners(ctx, s, q); err != nil {
			return err
		}
	}
	s.users = readUsers()
	for _, p := range s.processes {
		if p != nil && p.User == "" {
			p.User = s.users[p.UID]
		}
	}
	s.show(q)
	return nil
}

func (s *Snapshot) openSpaces(q *Query) error {
	s.spaces = make([]space, 1)
	if err := s.spaces[0].open(); err != nil {
		return err
	}
	if q.Diag == nil {
		q.Diag = new(diag.Support)
	}
	s.spaces[0].recall(q.Diag)
	if !q.AllNamespaces {
		return nil
	}
	others, warnings, err := otherSpaces()
	s.spaces = append(s.spaces, others...)
	s.warnings = append(s.warnings, warnings...)
	return err
}

func (s *Snapshot) closeSpaces() {
	for i := range s.spaces {
		s.spaces[i].close()
	}
}

// lookups returns what answers questions about single sockets, one for each
// namespace, from now on.
func (s *Snapshot) lookups() []diag.Lookups {
	out := make([]diag.Lookups, len(s.spaces))
	for i := range s.spaces {
		out[i].Conn = s.spaces[i].conns[0]
	}
	return out
}

// selectSockets marks what the query wants, as far as that can be told without
// processes.
func (s *Snapshot) selectSockets(q *Query) {
	for i := range s.recs {
		if r := &s.recs[i]; r.Flags&diag.FlagGone == 0 && q.matchSocket(s, r) {
			r.Flags |= diag.FlagWanted
		}
	}
}

// lookUpPeers asks for the other ends that the dump left out, since the query
// excludes them.
func (s *Snapshot) lookUpPeers(q *Query) error {
	if len(q.States) == 0 && len(q.Filter.Scopes) == 0 && len(q.Filter.Addresses) == 0 {
		return nil // whatever is left out, it has both ends
	}
	ask := s.lookups()
	for i, n := 0, len(s.recs); i < n; i++ {
		r := &s.recs[i]
		if r.Flags&diag.FlagWanted == 0 || r.Peer >= 0 || !r.Connected() {
			continue
		}
		local, remote := diag.AddrPort(&r.Local, r.LocalPort), diag.AddrPort(&r.Remote, r.RemotePort)
		sp := &s.spaces[r.Space]
		if !sp.scopes.Has(remote.Addr()) {
			continue // on another machine
		}
		p, ok, err := ask[r.Space].Again(r.Proto, remote, local, r.Iface)
		if err != nil {
			return err
		}
		if !ok || p.Same(r) {
			continue
		}
		isPair := diag.AddrPort(&p.Local, p.LocalPort) == remote && diag.AddrPort(&p.Remote, p.RemotePort) == local
		if !isPair && !(r.Proto == diag.ProtoUDP && p.RemotePort == 0) {
			continue // the listener
		}
		p.Space, p.Peer = r.Space, int32(i)
		r.Peer = int32(len(s.recs))
		s.recs = append(s.recs, p)
	}
	return nil
}

// show settles which rows are shown, now that their owners are known.
func (s *Snapshot) show(q *Query) {
	var m rowMaker
	byOwner := q.Filter.byOwner()
	for i := range s.recs {
		r := &s.recs[i]
		if r.Flags&diag.FlagWanted == 0 || r.Flags&diag.FlagGone != 0 {
			continue
		}
		if byOwner && !q.Filter.matchOwner(m.fill(s, uint32(i))) {
			continue
		}
		s.shown = append(s.shown, uint32(i))
		if r.Flags&diag.FlagUnknown != 0 {
			s.unknown++
		}
	}
}

// The words that a Query may hold.
func (q *Query) check() error {
	for _, p := range q.Protocols {
		if p != string(loopback.TCP) && p != string(loopback.UDP) && p != "unix" {
			return fmt.Errorf("protocol %q: not tcp, udp or unix", p)
		}
	}
	known := States()
	for _, st := range q.States {
		if !slices.Contains(known, st) {
			return fmt.Errorf("state %q: not one that a socket can be in", st)
		}
	}
	return nil
}

// States lists the words of Row.State.
func States() []string {
	return []string{
		"listen", "established", "connected", "bound", "close", "syn_sent", "syn_recv", "fin_wait_1", "fin_wait_2",
		"time_wait", "close_wait", "last_ack", "closing",
	}
}
