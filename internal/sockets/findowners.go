package sockets

import (
	"context"
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// findOwners finds the processes that hold the wanted sockets and their peers.
func findOwners(ctx context.Context, s *Snapshot, q *Query) error {
	n := 0
	eachSought(s, func(*diag.Record) { n++ })
	s.set = holders.NewInodeSet(n)
	eachSought(s, func(r *diag.Record) { s.set.Add(r.Inode) })
	if len(q.Homes) > 0 {
		markHomes(s, q.Homes)
	}
	if q.Live != nil {
		s.namespace = ownNamespace()
		owners, err := q.askOwners(ctx, s)
		switch {
		case err == nil:
			return takeLive(ctx, s, q, owners)
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if !errors.Is(err, holders.ErrNoLive) {
			s.warnings = append(s.warnings, "the live map of sockets does not answer, so /proc is read: "+err.Error())
		}
	}
	f := holders.Request{Want: s.set, Details: detailsOf(q), Homes: q.Homes, Boot: holders.BootTime(), Quick: q.Quick, Hints: q.Hints.ofSearch(), Prefetch: s.ahead}
	if q.Quick {
		f.Cgroups = make(map[uint64]bool)
		eachSought(s, func(r *diag.Record) {
			f.Cgroups[r.Cgroup] = r.Cgroup != 0
			f.Workers = f.Workers || !r.Connected()
		})
	}
	if f.Want.Empty() {
		return nil
	}
	first, err := holders.Search(ctx, f)
	if err != nil {
		return err
	}
	f.Prefetch = nil
	s.processes = first.Processes
	if err := lookAgain(ctx, s, f, first.Denied == 0 && seesAll()); err != nil {
		return err
	}
	if q.Details {
		holders.NameParents(s.processes)
	}
	return nil
}

func detailsOf(q *Query) holders.Details {
	var d holders.Details
	if q.Details {
		d = holders.ReadAll
	}
	if len(q.Filter.Names) > 0 {
		d |= holders.ReadExecutable
	}
	return d
}

// eachSought calls f with each record whose holders are wanted, with some twice.
func eachSought(s *Snapshot, f func(*diag.Record)) {
	for i := range s.recs {
		r := &s.recs[i]
		if r.Flags&(diag.FlagWanted|diag.FlagGone) != diag.FlagWanted {
			continue
		}
		f(r)
		if r.Peer >= 0 {
			if p := &s.recs[r.Peer]; p.Flags&diag.FlagWanted == 0 {
				f(p)
			}
		}
	}
}

// markHomes marks the sockets of which one end is a home's: their holders may
// be services.
func markHomes(s *Snapshot, homes []holders.Home) {
	isHome := make(map[netip.Addr]bool, 2*len(homes))
	for _, h := range homes {
		isHome[h.IP4], isHome[h.IP6] = h.IP4.IsValid(), h.IP6.IsValid()
	}
	eachSought(s, func(r *diag.Record) {
		if r.Proto == diag.ProtoUnix {
			return
		}
		if slot, ok := s.set.Slot(r.Inode); ok && (isHome[diag.Addr(&r.Local)] || isHome[diag.Addr(&r.Remote)] || isMoved(s, r)) {
			s.set.MarkHome(slot)
		}
	})
}

// lookAgain settles the sockets that have a holder by what the kernel said, and
// none by what was found. They were closed meanwhile, or are being handed from
// one process to another, or their holders may not be seen, or the kernel
// itself is their holder. all says that every process was seen.
func lookAgain(ctx context.Context, s *Snapshot, f holders.Request, all bool) error {
	missing, ask := 0, s.lookups()
	me := uint32(os.Geteuid())
	var still []uint32
	for i := range s.recs {
		r := &s.recs[i]
		if r.Inode == 0 || !isSought(s, r) || s.set.Held(r.Inode) {
			continue
		}
		missing++
		if missing > lookAgainMost {
			continue
		}
		if err := refreshRecord(s, r, &ask[r.Space]); err != nil {
			return err
		}
		if r.Inode != 0 && r.Flags&diag.FlagGone == 0 && (all || r.UID == me && r.Flags&diag.FlagUID != 0) {
			still = append(still, r.Inode)
		}
	}
	if len(still) > 0 {
		if err := searchAgain(ctx, s, f, still); err != nil {
			return err
		}
	}
	if all {
		return nil // what is left has no holder
	}
	for i := range s.recs {
		if r := &s.recs[i]; r.Inode != 0 && !s.set.Held(r.Inode) {
			r.Flags |= diag.FlagUnknown
		}
	}
	return nil
}

// lookAgainMost bounds for how many sockets the kernel is asked again.
const lookAgainMost = 4096

// isSought reports whether the holders of a record are wanted.
func isSought(s *Snapshot, r *diag.Record) bool {
	_, ok := s.set.Slot(r.Inode)
	return ok
}

// refreshRecord asks the kernel for a socket again: it may be gone, or have passed to
// a state in which no process holds it.
func refreshRecord(s *Snapshot, r *diag.Record, ask *diag.Lookups) error {
	if r.Proto == diag.ProtoUnix || r.State == diag.StateClose && r.Proto == diag.ProtoTCP {
		return nil // cannot be asked for alone
	}
	var remote netip.AddrPort
	if r.Connected() {
		remote = diag.AddrPort(&r.Remote, r.RemotePort)
	}
	now, ok, err := ask.Again(r.Proto, diag.AddrPort(&r.Local, r.LocalPort), remote, r.Iface)
	switch {
	case err != nil:
		return err
	case !ok, r.Connected() && !now.Same(r):
		r.Flags |= diag.FlagGone
	case now.Same(r):
		r.State, r.Inode, r.RQueue, r.WQueue = now.State, now.Inode, now.RQueue, now.WQueue
		r.Flags = r.Flags&^diag.FlagUID | now.Flags&diag.FlagUID
	}
	return nil
}

// searchAgain searches for the holders of few sockets, once more.
func searchAgain(ctx context.Context, s *Snapshot, f holders.Request, inodes []uint32) error {
	few := holders.NewInodeSet(len(inodes))
	for _, i := range inodes {
		few.Add(i)
	}
	f.Want, f.Quick, f.Prefetch = few, false, nil
	second, err := holders.Search(ctx, f)
	if err != nil {
		return err
	}
	base := uint32(len(s.processes))
	s.processes = append(s.processes, second.Processes...)
	for _, inode := range inodes {
		slot, ok := s.set.Slot(inode)
		if !ok || s.set.Held(inode) {
			continue
		}
		few.Each(inode, func(p uint32) { s.set.Hold(slot, base+p) })
	}
	return nil
}

// initPIDSpace is the inode number of the first process namespace, the same on
// every machine (PROC_PID_INIT_INO of linux/proc_ns.h).
const initPIDSpace = 0xeffffffc

// seesAll reports whether /proc shows every process of the machine: not in
// another process namespace, and not where it hides those of other users
// (hidepid, see proc(5)).
func seesAll() bool {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil || st.Ino != initPIDSpace {
		return false
	}
	return unix.Stat("/proc/1", &st) == nil
}
