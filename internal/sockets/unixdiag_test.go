package sockets

import (
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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

// What Linux 6.18 wrote on a little-endian machine, after the netlink header.
const (
	// A connected stream socket, accepted from the path /run/x.
	unixStreamBytes = "01010100" + "c8320100" + "0a00000001000000" +
		"0b000000" + "2f72756e2f7800" + "00" + // UNIX_DIAG_NAME
		"08000200" + "c7320100" + // UNIX_DIAG_PEER
		"0c000400" + "0500000007000000" + // UNIX_DIAG_RQLEN
		"05000600" + "00000000" + // UNIX_DIAG_SHUTDOWN
		"08000700" + "e8030000" // UNIX_DIAG_UID
	// A datagram socket with the abstract name \0a\0b.
	unixAbstractBytes = "01020700" + "01000000" + "ffffffff00000000" + "08000000" + "00610062"
)

func TestParseUnix(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		rec       record
		info      unixInfo
		bad       bool
	}{
		{"stream", unixStreamBytes,
			record{proto: protoUnix, family: unix.AF_UNIX, state: 1, inode: 0x132c8, cookie: 0x10000000a, localPort: 1, rqueue: 5, wqueue: 7, uid: 1000, flags: flagUID},
			unixInfo{path: "/run/x", kind: "stream", peer: 0x132c7}, false},
		{"abstract", unixAbstractBytes,
			record{proto: protoUnix, family: unix.AF_UNIX, state: 7, inode: 1, cookie: 0xffffffff, localPort: 1},
			unixInfo{path: "@a@b", kind: "datagram"}, false},
		{"short", unixStreamBytes[:30], record{}, unixInfo{}, true},
		{"attribute too long", unixStreamBytes[:32] + "ff000000", record{}, unixInfo{}, true},
	} {
		var r record
		var info unixInfo
		err := parseUnix(fromHex(t, c.hex), &r, &info)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (r != c.rec || info != c.info) {
			t.Errorf("%s: got %+v %+v", c.name, r, info)
		}
	}
}

func TestUnixQuestion(t *testing.T) {
	want := "2800000014000103" + "0000000000000000" + "01000000" + "82040000" + "00000000" + "55000000" + "0000000000000000"
	if got := hex.EncodeToString(unixQuestion(1<<1 | 1<<7 | 1<<10)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzParseUnix(f *testing.F) {
	f.Add(fromHex(f, unixStreamBytes))
	f.Add(fromHex(f, unixAbstractBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		var info unixInfo
		if parseUnix(b, &r, &info) == nil && info.path != "" && r.localPort != 1 {
			t.Errorf("name %q of %+v", info.path, r)
		}
	})
}
