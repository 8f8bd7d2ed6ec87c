package sockets

import (
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/diag"
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
	info           diag.TCPInfo
	opened         time.Time
	holders        [2][]*holders.Process
}

func (m *rowMaker) fill(s *Snapshot, i uint32) *Row {
	r := &s.recs[i]
	row := &m.row
	*row = Row{
		State: r.StateName(), Inode: r.Inode, Cookie: r.Cookie, CgroupID: r.Cgroup, V6Only: r.Flags&diag.FlagV6Only != 0,
		RecvQueue: &m.received, SendQueue: &m.sent, Unknown: r.Flags&diag.FlagUnknown != 0,
	}
	m.received, m.sent = r.RQueue, r.WQueue
	if r.Flags&diag.FlagProc != 0 {
		row.Source = SourceProc
	}
	if sp := s.spaces[r.Space]; sp.inode != 0 {
		row.Namespace, row.NamespaceName = sp.inode, sp.name
	}
	if r.Proto == diag.ProtoUnix {
		m.unix(s, r)
	} else {
		m.inet(s, r)
	}
	if r.Flags&diag.FlagUID != 0 {
		m.uid = r.UID
		row.UID, row.User = &m.uid, s.users[r.UID]
	}
	row.Processes = s.holders(r, &m.holders[0])
	m.askV6Only()
	row.Project, row.Service = s.project(r, row.Processes)
	if s.owners != nil {
		m.live(s, r)
	}
	if r.Peer >= 0 {
		p := &s.recs[r.Peer]
		m.peer = Peer{Inode: p.Inode, Processes: s.holders(p, &m.holders[1]), Unknown: p.Flags&diag.FlagUnknown != 0}
		m.peer.Project, m.peer.Service = s.project(p, m.peer.Processes)
		if p.Proto == diag.ProtoUnix && p.Extra != 0 {
			m.peer.Path = s.unix[p.Extra-1].Path
		}
		row.Peer = &m.peer
	}
	return row
}

func (m *rowMaker) inet(s *Snapshot, r *diag.Record) {
	row := &m.row
	row.Protocol, row.Family = loopback.TCP, "ipv4"
	if r.Proto == diag.ProtoUDP {
		row.Protocol = loopback.UDP
	}
	if r.Family == unix.AF_INET6 {
		row.Family = "ipv6"
	}
	names := &s.spaces[r.Space].scopes
	ip := diag.Addr(&r.Local)
	m.local = Address{IP: names.Zoned(ip, r.Iface), Port: askedPort(s, row.Protocol, ip, r.LocalPort)}
	row.Local, row.Scope = &m.local, names.Scope(m.local.IP)
	if m.local.Port != r.LocalPort {
		row.RealPort = r.LocalPort
	}
	if r.Connected() {
		ip := diag.Addr(&r.Remote)
		m.remote = Address{IP: names.Zoned(ip, r.Iface), Port: askedPort(s, row.Protocol, ip, r.RemotePort)}
		row.Remote = &m.remote
	}
	if r.Proto == diag.ProtoTCP && r.State == diag.StateListen {
		m.queue, m.limit = r.RQueue, r.WQueue
		row.Backlog, row.BacklogLimit = &m.queue, &m.limit
		m.received, m.sent = 0, 0
		if row.Source == SourceProc {
			row.BacklogLimit = nil
		}
	}
	if r.Extra != 0 {
		m.info = s.infos[r.Extra-1]
		row.TCP = &m.info
	}
}

func (m *rowMaker) unix(s *Snapshot, r *diag.Record) {
	row := &m.row
	row.Protocol, row.Family = "unix", "unix"
	info := &s.unix[r.Extra-1]
	row.Path, row.Type = info.Path, info.Kind
	switch {
	case row.Source == SourceProc:
		row.RecvQueue, row.SendQueue = nil, nil
	case r.State == diag.StateListen:
		m.queue, m.limit = r.RQueue, r.WQueue
		row.Backlog, row.BacklogLimit = &m.queue, &m.limit
		m.received, m.sent = 0, 0
	}
}

// live adds what only a live map knows.
func (m *rowMaker) live(s *Snapshot, r *diag.Record) {
	if at, ok := s.owners.OpenedAt(r.Inode); ok {
		m.opened = at
		m.row.OpenedAt = &m.opened
	}
	if len(m.row.Processes) == 0 && r.Proto != diag.ProtoUnix {
		m.row.Closed = s.owners.LastOwner(endsOf(s, r)).Process
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
