package sockets

import (
	"context"

	"golang.org/x/sys/unix"
)

// findOwners finds the processes that hold the sockets of want.
func (s *Snapshot) findOwners(ctx context.Context, q *Query, want *inodeSet) error {
	s.set = want
	if q.Live != nil {
		owners, err := q.Live.Owners(ctx)
		if err == nil {
			s.takeLive(owners)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.warnings = append(s.warnings, "the live map of sockets does not answer, so /proc is read: "+err.Error())
	}
	f := searchFor{want: want, homes: q.Homes, boot: boot()}
	if q.Details {
		f.details = readAll
	}
	if len(q.Filter.Names) > 0 {
		f.details |= readExecutable
	}
	if len(q.Homes) > 0 {
		f.details |= readHome
	}
	processes, denied, err := searchHolders(ctx, f)
	if err != nil {
		return err
	}
	s.processes = processes
	all := denied == 0 && seesAll()
	for i := range s.recs {
		if r := &s.recs[i]; r.inode != 0 && !all && !want.held(r.inode) {
			r.flags |= flagUnknown
		}
	}
	return nil
}

// initPIDSpace is the inode number of the first process namespace, the same on
// every machine (PROC_PID_INIT_INO of linux/proc_ns.h).
const initPIDSpace = 0xeffffffc

// seesAll says whether /proc shows every process of the machine: not in
// another process namespace, and not where it hides those of other users
// (hidepid, see proc(5)).
func seesAll() bool {
	var st unix.Stat_t
	if unix.Stat("/proc/self/ns/pid", &st) != nil || st.Ino != initPIDSpace {
		return false
	}
	return unix.Stat("/proc/1", &st) == nil
}

// takeLive takes the owners over that a live map knows.
func (s *Snapshot) takeLive(owners *Owners) {
	s.owners, s.processes = owners, owners.Processes
	for slot, inode := range s.set.keys {
		if inode == 0 {
			continue
		}
		for _, p := range owners.Holders[inode] {
			if p >= 0 && p < len(s.processes) && s.processes[p] != nil {
				s.set.link([]found{{uint32(slot), uint32(p)}})
			}
		}
	}
}
