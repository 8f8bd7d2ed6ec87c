package sockets

import (
	"context"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// takeLive takes over the owners that a live map knows.
func takeLive(ctx context.Context, s *Snapshot, q *Query, owners *holders.Owners) error {
	s.owners = owners
	s.warnings = append(s.warnings, owners.Warnings...)
	// They are copied, since more is told of them here.
	s.processes = make([]*holders.Process, len(owners.Processes))
	inside := make(map[int]bool) // processes that hold a home's socket
	for _, h := range owners.Holdings {
		slot, ok := s.set.Slot(h.Inode)
		if !ok {
			continue
		}
		p := int(h.Process)
		if s.processes[p] == nil {
			c := *owners.Processes[p]
			s.processes[p] = &c
		}
		s.set.Hold(slot, h.Process)
		if s.set.IsHome(slot) {
			inside[p] = true
		}
	}
	f := holders.Request{Details: detailsOf(q), Homes: q.Homes, Boot: holders.BootTime()}
	if err := holders.Complete(ctx, f, s.processes, inside); err != nil {
		return err
	}
	ask := s.lookups()
	for i := range s.recs {
		r := &s.recs[i]
		if r.Inode == 0 || !isSought(s, r) || s.set.Held(r.Inode) {
			continue
		}
		if err := refreshRecord(s, r, &ask[r.Space]); err != nil {
			return err
		}
		if owners.Unreadable > 0 && r.Inode != 0 {
			r.Flags |= diag.FlagUnknown
		}
	}
	if q.Details {
		holders.NameParents(s.processes)
	}
	return nil
}

// ownNamespace returns the inode number of this network namespace, or 0.
func ownNamespace() uint32 {
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) != nil {
		return 0
	}
	return uint32(st.Ino)
}

// endsOf returns the ends of a socket that is not a Unix socket, as a live map
// knows them.
func endsOf(s *Snapshot, r *diag.Record) holders.Ends {
	e := holders.Ends{Protocol: loopback.TCP, Namespace: s.spaces[r.Space].inode, Local: diag.AddrPort(&r.Local, r.LocalPort)}
	if r.Proto == diag.ProtoUDP {
		e.Protocol = loopback.UDP
	}
	if e.Namespace == 0 {
		e.Namespace = s.namespace
	}
	if r.Connected() {
		e.Remote = diag.AddrPort(&r.Remote, r.RemotePort)
	}
	return e
}
