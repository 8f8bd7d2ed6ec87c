package sockets

import (
	"strings"
	"testing"
)

func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	a := start(t, -1, "unix "+dir, nil)
	table := list(t, Query{Unix: true})
	rows := map[uint32]*Row{}
	for i := range table.Rows {
		if r := &table.Rows[i]; r.Protocol == "unix" {
			rows[r.Inode] = r
		}
	}
	byWhat := map[string]*Row{}
	for _, h := range a.holds {
		r := rows[h.Inode]
		if r == nil {
			t.Fatalf("missing: %+v", h)
		}
		if !holdsIt(r.Processes, h.PID) || len(r.Processes) != 1 {
			t.Errorf("%s: holders %v", h.What, r.Processes)
		}
		if h.Cookie != r.Cookie || r.Family != "unix" || r.Scope != "" || r.Local != nil {
			t.Errorf("%s: %+v", h.What, r)
		}
		byWhat[h.What] = r
	}
	for _, c := range []struct{ what, state, kind, path string }{
		{"listener", "listen", "stream", dir + "/stream"},
		{"client", "connected", "stream", ""},
		{"server", "connected", "stream", dir + "/stream"},
		{"datagram", "bound", "datagram", dir + "/datagram"},
		{"datagram client", "connected", "datagram", ""},
		{"pair", "connected", "stream", ""},
	} {
		r := byWhat[c.what]
		if r.State != c.state || r.Type != c.kind || r.Path != c.path {
			t.Errorf("%s: %s %s %q", c.what, r.State, r.Type, r.Path)
		}
	}
	if r := byWhat["abstract"]; !strings.HasPrefix(r.Path, "@lodge-test-") || r.Type != "seqpacket" {
		t.Errorf("abstract: %+v", r)
	}
	if r := byWhat["listener"]; r.BacklogLimit == nil || *r.BacklogLimit != 5 || *r.Backlog != 0 {
		t.Errorf("listener: %+v", r)
	}
	for what, peer := range map[string]string{"client": "server", "server": "client", "datagram client": "datagram"} {
		r, p := byWhat[what], byWhat[peer]
		if r.Peer == nil || r.Peer.Inode != p.Inode || r.Peer.Path != p.Path || !holdsIt(r.Peer.Processes, a.cmd.Process.Pid) {
			t.Errorf("%s: peer %+v", what, r.Peer)
		}
	}
	plain := list(t, Query{})
	for i := range plain.Rows {
		if r := &plain.Rows[i]; r.Protocol == "unix" {
			t.Errorf("not asked for: %+v", r)
		}
	}
}
