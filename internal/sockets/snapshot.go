package sockets

import (
	"iter"
	"slices"

	"lodge/internal/sockets/diag"
	"lodge/internal/sockets/holders"
)

// Snapshot is what Scan read: many sockets in little memory. Rows are made of
// it one at a time.
type Snapshot struct {
	// places is one more than a record's index in shown; made when asked for.
	places []int32

	recs      []diag.Record
	infos     []diag.TCPInfo
	unix      []diag.UnixInfo
	spaces    []space
	set       *holders.InodeSet
	processes []*holders.Process // holders' indexes lead here
	// owners is what a live map says, or nil.
	owners *holders.Owners
	// namespace is this network namespace's inode number, told with owners.
	namespace uint32
	homes     []holders.Home
	users     users
	shown     []uint32 // indexes into recs
	unknown   int
	warnings  []string
	ahead     *holders.Prefetch // nil where it is not worth while
}

// Len is the number of sockets that the query selected.
func (s *Snapshot) Len() int { return len(s.shown) }

// UnknownOwners counts the rows whose holders may not be seen from here.
func (s *Snapshot) UnknownOwners() int { return s.unknown }

// Warnings say what could not be read, one line each.
func (s *Snapshot) Warnings() []string { return s.warnings }

// Rows returns the rows one after the other. A row, and what it points to but
// processes, is valid until the next: copy what is kept.
func (s *Snapshot) Rows() iter.Seq[*Row] {
	return func(yield func(*Row) bool) {
		var b rowMaker
		for _, i := range s.shown {
			if !yield(b.fill(s, i)) {
				return
			}
		}
	}
}

// Table makes all rows.
func (s *Snapshot) Table() *Table {
	t := &Table{Rows: make([]Row, len(s.shown)), UnknownOwners: s.unknown, Warnings: s.warnings}
	for n, i := range s.shown {
		var b rowMaker
		t.Rows[n] = *b.fill(s, i)
	}
	return t
}

// holders returns the processes that hold a socket, by pid. One alone is a part
// of s.processes; several are put into spare.
func (s *Snapshot) holders(r *diag.Record, spare *[]*holders.Process) []*holders.Process {
	if s.set == nil {
		return []*holders.Process{}
	}
	list := (*spare)[:0]
	only := uint32(0)
	s.set.Each(r.Inode, func(p uint32) {
		only = p
		list = append(list, s.processes[p])
	})
	*spare = list
	if len(list) == 1 {
		return s.processes[only : only+1 : only+1]
	}
	if len(list) == 0 {
		return []*holders.Process{}
	}
	slices.SortFunc(list, func(a, b *holders.Process) int { return a.PID - b.PID })
	return list
}

// project says to which project a socket belongs: by its address, else by the
// first of its holders that is inside one.
func (s *Snapshot) project(r *diag.Record, holders []*holders.Process) (project, service string) {
	if len(s.homes) == 0 {
		return "", ""
	}
	if r.Proto != diag.ProtoUnix {
		ip := diag.Addr(&r.Local)
		for i := range s.homes {
			if h := &s.homes[i]; h.IP4 == ip || h.IP6 == ip {
				project = h.Project
				break
			}
		}
	}
	for _, p := range holders {
		if p.Project != "" && (project == "" || project == p.Project) {
			return p.Project, p.Service
		}
	}
	return project, ""
}
