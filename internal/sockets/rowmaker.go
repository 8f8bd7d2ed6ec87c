package sockets

import (
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
)

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
	holders        [2][]*holders.Process
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
	if r.family == unix.AF_INET6 {
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
		e := holders.Ends{Protocol: m.row.Protocol, Namespace: m.row.Namespace, Local: unzoned(&r.local, r.localPort)}
		if e.Namespace == 0 {
			e.Namespace = s.namespace
		}
		if r.connected() {
			e.Remote = unzoned(&r.remote, r.remotePort)
		}
		m.row.Closed = s.owners.Closed[e].Process
	}
}

// askV6Only fills in what /proc/net does not tell of a listener.
func (m *rowMaker) askV6Only() {
	row := &m.row
	waits := row.State == "listen" || row.State == "bound"
	if row.Source != SourceProc || row.Local == nil || !waits || row.Family != "ipv6" {
		return
	}
	for _, p := range row.Processes {
		if row.V6Only = holders.AskV6Only(p.PID, row.Inode); row.V6Only {
			return
		}
	}
}
