package sockets

import (
	"iter"
	"slices"
	"time"

	"lodge/internal/loopback"
)

// Snapshot is what Scan read: many sockets in little memory. Rows are made of
// it one at a time.
type Snapshot struct {
	// places is one more than a record's index in shown; made when asked for.
	places []int32

	recs      []record
	infos     []TCPInfo
	unix      []unixInfo
	spaces    []space
	set       *inodeSet
	processes []*Process // holders' indexes lead here
	// owners is what a live map says, or nil.
	owners *Owners
	// namespace is this network namespace's inode number, told with owners.
	namespace uint32
	homes     []Home
	users     users
	shown     []uint32 // indexes into recs
	unknown   int
	warnings  []string
	ahead     *ahead // nil where it is not worth while
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

// rowMaker makes rows. What a row points to is in it, so that one after the
// other costs no memory.
type rowMaker struct {
	row            Row
	local, remote  Address
	peer           Peer
	uid            uint32
	queue, limit   uint32
	received, sent uint32
	info           TCPInfo
	opened         time.Time
	holders        [2][]*Process
}

func (m *rowMaker) fill(s *Snapshot, i uint32) *Row {
	r := &s.recs[i]
	row := &m.row
	*row = Row{
		State: r.stateName(), Inode: r.inode, Cookie: r.cookie, CgroupID: r.cgroup, V6Only: r.flags&flagV6Only != 0,
		RecvQueue: &m.received, SendQueue: &m.sent, Unknown: r.flags&flagUnknown != 0,
	}
	m.received, m.sent = r.rqueue, r.wqueue
	if r.flags&flagProc != 0 {
		row.Source = SourceProc
	}
	if sp := s.spaces[r.space]; sp.inode != 0 {
		row.Namespace, row.NamespaceName = sp.inode, sp.name
	}
	if r.proto == protoUnix {
		m.unix(s, r)
	} else {
		m.inet(s, r)
	}
	if r.flags&flagUID != 0 {
		m.uid = r.uid
		row.UID, row.User = &m.uid, s.users[r.uid]
	}
	row.Processes = s.holders(r, &m.holders[0])
	m.askV6Only()
	row.Project, row.Service = s.project(r, row.Processes)
	if s.owners != nil {
		m.live(s, r)
	}
	if r.peer >= 0 {
		p := &s.recs[r.peer]
		m.peer = Peer{Inode: p.inode, Processes: s.holders(p, &m.holders[1]), Unknown: p.flags&flagUnknown != 0}
		m.peer.Project, m.peer.Service = s.project(p, m.peer.Processes)
		if p.proto == protoUnix && p.extra != 0 {
			m.peer.Path = s.unix[p.extra-1].path
		}
		row.Peer = &m.peer
	}
	return row
}

func (m *rowMaker) inet(s *Snapshot, r *record) {
	row := &m.row
	row.Protocol, row.Family = loopback.TCP, "ipv4"
	if r.proto == protoUDP {
		row.Protocol = loopback.UDP
	}
	if r.family == familyIPv6 {
		row.Family = "ipv6"
	}
	names := &s.spaces[r.space].scopes
	ip := address(&r.local)
	m.local = Address{IP: names.zoned(ip, r.iface), Port: s.askedPort(row.Protocol, ip, r.localPort)}
	row.Local, row.Scope = &m.local, names.scope(m.local.IP)
	if m.local.Port != r.localPort {
		row.RealPort = r.localPort
	}
	if r.connected() {
		ip := address(&r.remote)
		m.remote = Address{IP: names.zoned(ip, r.iface), Port: s.askedPort(row.Protocol, ip, r.remotePort)}
		row.Remote = &m.remote
	}
	if r.proto == protoTCP && r.state == StateListen {
		m.queue, m.limit = r.rqueue, r.wqueue
		row.Backlog, row.BacklogLimit = &m.queue, &m.limit
		m.received, m.sent = 0, 0
		if row.Source == SourceProc {
			row.BacklogLimit = nil
		}
	}
	if r.extra != 0 {
		m.info = s.infos[r.extra-1]
		row.TCP = &m.info
	}
}

func (m *rowMaker) unix(s *Snapshot, r *record) {
	row := &m.row
	row.Protocol, row.Family = "unix", "unix"
	info := &s.unix[r.extra-1]
	row.Path, row.Type = info.path, info.kind
	switch {
	case row.Source == SourceProc:
		row.RecvQueue, row.SendQueue = nil, nil
	case r.state == StateListen:
		m.queue, m.limit = r.rqueue, r.wqueue
		row.Backlog, row.BacklogLimit = &m.queue, &m.limit
		m.received, m.sent = 0, 0
	}
}

// live adds what only a live map knows.
func (m *rowMaker) live(s *Snapshot, r *record) {
	if at, ok := s.owners.OpenedAt(r.inode); ok {
		m.opened = at
		m.row.OpenedAt = &m.opened
	}
	if len(m.row.Processes) == 0 && r.proto != protoUnix && len(s.owners.Closed) > 0 {
		e := Ends{Protocol: m.row.Protocol, Namespace: m.row.Namespace, Local: unzoned(&r.local, r.localPort)}
		if e.Namespace == 0 {
			e.Namespace = s.namespace
		}
		if r.connected() {
			e.Remote = unzoned(&r.remote, r.remotePort)
		}
		m.row.Closed = s.owners.Closed[e].Process
	}
}

// holders returns the processes that hold a socket, by pid. One alone is a part
// of s.processes; several are put into spare.
func (s *Snapshot) holders(r *record, spare *[]*Process) []*Process {
	if s.set == nil {
		return []*Process{}
	}
	list := (*spare)[:0]
	only := uint32(0)
	s.set.holders(r.inode, func(p uint32) {
		only = p
		list = append(list, s.processes[p])
	})
	*spare = list
	if len(list) == 1 {
		return s.processes[only : only+1 : only+1]
	}
	if len(list) == 0 {
		return []*Process{}
	}
	slices.SortFunc(list, func(a, b *Process) int { return a.PID - b.PID })
	return list
}

// project says to which project a socket belongs: by its address, else by the
// first of its holders that is inside one.
func (s *Snapshot) project(r *record, holders []*Process) (project, service string) {
	if len(s.homes) == 0 {
		return "", ""
	}
	if r.proto != protoUnix {
		ip := address(&r.local)
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
