package sockets

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// takeLive takes over the owners that a live map knows.
func (s *Snapshot) takeLive(ctx context.Context, q *Query, owners *Owners) error {
	s.owners = owners
	s.warnings = append(s.warnings, owners.Warnings...)
	// They are copied, since more is told of them here.
	s.processes = make([]*Process, len(owners.Processes))
	var st unix.Stat_t
	if unix.Stat("/proc/thread-self/ns/net", &st) == nil {
		s.namespace = uint32(st.Ino)
	}
	slots := make(map[int][]uint32)
	for _, h := range owners.Holdings {
		slot, ok := s.set.slot(h.Inode)
		if !ok {
			continue
		}
		p := int(h.Process)
		if s.processes[p] == nil {
			c := *owners.Processes[p]
			s.processes[p] = &c
		}
		s.set.link([]found{{slot, h.Process}})
		if s.set.homes != nil && s.set.homes[slot] {
			slots[p] = append(slots[p], slot)
		}
	}
	if err := s.describeLive(ctx, q, slots); err != nil {
		return err
	}
	ask := s.lookups()
	for i := range s.recs {
		r := &s.recs[i]
		if r.inode == 0 || !s.sought(r) || s.set.held(r.inode) {
			continue
		}
		if err := s.refresh(r, &ask[r.space]); err != nil {
			return err
		}
		if owners.Unreadable > 0 && r.inode != 0 {
			r.flags |= flagUnknown
		}
	}
	if q.Details {
		nameParents(s.processes)
	}
	return nil
}

// describeLive adds what the map does not say of the processes, but asks who
// they are by their start first.
func (s *Snapshot) describeLive(ctx context.Context, q *Query, home map[int][]uint32) error {
	proc, err := openProc()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(proc) }() // only read from
	w := &searcher{search: &search{searchFor: searchFor{want: s.set, details: q.details(), homes: q.Homes, boot: bootTime()}, proc: proc}}
	for i, p := range s.processes {
		if p == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.StartedAt == nil && p.Start != 0 && !w.boot.IsZero() {
			at := w.startedAt(p.Start)
			p.StartedAt = &at
		}
		if p.Command != "" && w.details == 0 && len(home[i]) == 0 {
			continue
		}
		dir, err := unix.Openat(proc, strconv.Itoa(p.PID), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue // gone, and still the one that the map saw
		}
		if now := w.describe(dir, p.PID, len(home[i]) > 0); now != nil && now.Start == p.Start {
			*p = *now
		}
		_ = unix.Close(dir) // only read from
	}
	return nil
}

// startedAt makes a time of a start in clock ticks since boot.
func (w *searcher) startedAt(start uint64) time.Time {
	return w.boot.Add(time.Duration(start) * (time.Second / ticks)).Round(time.Second / ticks)
}
