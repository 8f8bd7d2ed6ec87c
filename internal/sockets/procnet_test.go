package sockets

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/test/nodiag"
)

// openWithoutDiag opens a Conn that reads /proc/net.
func openWithoutDiag(t testing.TB) *Conn {
	t.Helper()
	c := &Conn{fd: -1, refused: unix.EPROTONOSUPPORT}
	c.proc.listenersFirst = listenersFirst()
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// population makes sockets of each kind that the two sources are compared by.
func population(t *testing.T) {
	t.Helper()
	keep := func(fd int, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		return fd
	}
	for _, s := range []struct {
		family, kind int
		to           unix.Sockaddr
		only         int
	}{
		{unix.AF_INET, unix.SOCK_STREAM, addr4("127.83.9.1", 0), 0},
		{unix.AF_INET, unix.SOCK_STREAM, addr4("0.0.0.0", 0), 0},
		{unix.AF_INET6, unix.SOCK_STREAM, addr6("::1", 0), 1},
		{unix.AF_INET6, unix.SOCK_STREAM, addr6("::", 0), 0},
		{unix.AF_INET6, unix.SOCK_STREAM, addr6("::ffff:127.83.9.1", 0), 0},
		{unix.AF_INET, unix.SOCK_DGRAM, addr4("127.83.9.1", 0), 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, addr6("::1", 0), 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, addr6("::", 0), 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, addr6("::ffff:127.83.9.1", 0), 0},
	} {
		fd := keep(unix.Socket(s.family, s.kind|unix.SOCK_CLOEXEC, 0))
		if s.family == unix.AF_INET6 {
			if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, s.only); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Bind(fd, s.to); err != nil {
			t.Fatal(err)
		}
		at, err := unix.Getsockname(fd)
		if err != nil {
			t.Fatal(err)
		}
		client := keep(unix.Socket(s.family, s.kind|unix.SOCK_CLOEXEC, 0))
		if s.kind == unix.SOCK_STREAM {
			if err := unix.Listen(fd, 7); err != nil {
				t.Fatal(err)
			}
		}
		if err := unix.Connect(client, at); err != nil {
			t.Fatal(err)
		}
		if s.kind == unix.SOCK_STREAM {
			server, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			keep(server, err)
			waiting := keep(unix.Socket(s.family, s.kind|unix.SOCK_CLOEXEC, 0)) // in the queue
			if err := unix.Connect(waiting, at); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := unix.Write(client, []byte("not read")); err != nil {
			t.Fatal(err)
		}
	}
}

// mine returns what the sources have in common of this process's sockets, by
// inode.
func mine(t *testing.T, list []Socket) map[uint32]Socket {
	t.Helper()
	own, err := ProcessSockets(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[uint32]Socket)
	for _, s := range list {
		if _, ok := own[s.Inode]; !ok || s.Inode == 0 {
			continue
		}
		s.Cookie, s.CgroupID, s.V6Only, s.FromProc = 0, 0, false, false
		if s.State == StateListen {
			s.WQueue = 0
		}
		out[s.Inode] = s
	}
	return out
}

func TestProcAgrees(t *testing.T) {
	population(t)
	diag, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer diag.Close()
	if why := diag.why(tableTCP); why != nil || diag.fd < 0 {
		t.Skipf("needs sock_diag: %v", why)
	}
	proc := openWithoutDiag(t)
	found := 0
	for _, q := range []struct {
		proto  loopback.Protocol
		states uint32
	}{{loopback.TCP, Listening}, {loopback.TCP, AllStates}, {loopback.UDP, UDPBound}, {loopback.UDP, 1 << StateClose}} {
		for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
			want, err := diag.Dump(q.proto, family, q.states)
			if err != nil {
				t.Fatal(err)
			}
			got, err := proc.Dump(q.proto, family, q.states)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range got {
				if !s.FromProc || s.Cookie != 0 {
					t.Fatalf("not from /proc/net: %+v", s)
				}
			}
			a, b := mine(t, want), mine(t, got)
			for inode, s := range a {
				if b[inode] != s {
					t.Errorf("%s\nsock_diag %+v\n/proc/net %+v", q.proto, s, b[inode])
				}
				found++
				lookUp(t, diag, proc, q.proto, s)
			}
			if len(b) != len(a) {
				t.Errorf("%s: %d sockets, %d by sock_diag", q.proto, len(b), len(a))
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d sockets compared", found)
	}
}

// lookUp asks both sources which socket the kernel chooses for an address.
func lookUp(t *testing.T, diag, proc *Conn, proto loopback.Protocol, s Socket) {
	t.Helper()
	at := s.Src
	if at.Addr().IsUnspecified() {
		at = netip.AddrPortFrom(map[bool]netip.Addr{true: netip.AddrFrom4([4]byte{127, 0, 0, 1}), false: netip.IPv6Loopback()}[at.Addr().Is4()], at.Port())
	}
	for _, remote := range []netip.AddrPort{{}, s.Dst} {
		if remote.Port() == 0 {
			remote = netip.AddrPort{}
		}
		want, wantFound, err := diag.LookupPair(proto, at, remote)
		if err != nil {
			t.Fatal(err)
		}
		got, gotFound, err := proc.LookupPair(proto, at, remote)
		if err != nil {
			t.Fatal(err)
		}
		if gotFound != wantFound || got.Inode != want.Inode || got.Src != want.Src || got.UID != want.UID {
			t.Errorf("%s %v from %v:\nsock_diag %v %+v\n/proc/net %v %+v", proto, at, remote, wantFound, want, gotFound, got)
		}
	}
	if proto == loopback.TCP && s.State == StateListen {
		proc.LookupEach(proto, []netip.AddrPort{at, netip.MustParseAddrPort("127.83.9.77:1")}, func(i int, got Socket, found bool, err error) {
			if err != nil || found != (i == 0) || i == 0 && got.Inode != s.Inode {
				t.Errorf("look up %v, number %d: %v %+v, %v", at, i, found, got, err)
			}
		})
	}
}

// A module can be missing, and come later.
func TestModuleMissing(t *testing.T) {
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c.settle(nil, tableUDP) || c.why(tableUDP) != nil {
		t.Skip("needs sock_diag")
	}
	u, err := net.ListenPacket("udp4", "127.83.9.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	at := netip.MustParseAddrPort(u.LocalAddr().String())
	ask := func() Socket {
		t.Helper()
		s, found, err := c.Lookup(loopback.UDP, at)
		if err != nil || !found || s.Src != at {
			t.Fatalf("%+v %v %v", s, found, err)
		}
		return s
	}
	c.diag[tableUDP] = diagState{missing: noModule(tableUDP), next: time.Now().AddDate(100, 0, 0)}
	if s := ask(); !s.FromProc {
		t.Errorf("from sock_diag: %+v", s)
	}
	if list, err := c.Dump(loopback.TCP, unix.AF_INET, Listening); err != nil || slices.ContainsFunc(list, func(s Socket) bool { return s.FromProc }) {
		t.Errorf("TCP from /proc/net: %v", err)
	}
	c.diag[tableUDP].next = c.diag[tableUDP].next.AddDate(-200, 0, 0)
	if s := ask(); s.FromProc || s.Cookie == 0 {
		t.Errorf("the module was not asked again: %+v", s)
	}
}

// withoutDiag is a role: it lists all sockets without sock_diag, or without any
// netlink, as JSON.
func (r *role) withoutDiag() {
	r.check(nodiag.Filter{All: r.arg == "all"}.Install(), "set filter")
	table, err := List(context.Background(), Query{Unix: true, Details: true, TCPInfo: true, AllNamespaces: r.arg == "spaces"})
	r.check(err, "list")
	r.check(json.NewEncoder(os.Stdout).Encode(table), "print")
}

func listWithoutDiag(t *testing.T, arg string) *Table {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=withoutDiag "+arg)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	if err := json.Unmarshal(out, &table); err != nil {
		t.Fatal(err)
	}
	return &table
}

func TestListWithoutDiag(t *testing.T) {
	dir := t.TempDir()
	actors := []*actor{start(t, -1, "many 3", nil), start(t, -1, "fork 2", nil), start(t, -1, "unix "+dir, nil)}
	want := list(t, Query{Unix: true})
	for _, arg := range []string{"", "all"} {
		got := listWithoutDiag(t, arg)
		if len(got.Warnings) != 1 || !strings.Contains(got.Warnings[0], "/proc/net") {
			t.Errorf("%q: warnings %q", arg, got.Warnings)
		}
		if got.UnknownOwners < want.UnknownOwners && os.Geteuid() != 0 {
			t.Errorf("%q: %d unknown owners, %d with sock_diag", arg, got.UnknownOwners, want.UnknownOwners)
		}
		rows := make(map[uint32]*Row)
		for i := range got.Rows {
			if r := &got.Rows[i]; r.Inode != 0 {
				rows[r.Inode] = r
			}
		}
		compared := 0
		for i := range want.Rows {
			w := &want.Rows[i]
			of := slices.IndexFunc(actors, func(a *actor) bool {
				return slices.ContainsFunc(a.holds, func(h held) bool { return h.Inode == w.Inode })
			})
			if of < 0 || w.Protocol == loopback.TCP && w.State == "bound" {
				continue // another's, or not in /proc/net
			}
			g := rows[w.Inode]
			if g == nil {
				t.Errorf("%q: missing %+v", arg, w)
				continue
			}
			compared++
			agree(t, w, g)
		}
		if compared < 60 {
			t.Errorf("%q: only %d sockets compared", arg, compared)
		}
	}
}

// agree compares a row of /proc/net with sock_diag's.
func agree(t *testing.T, w, g *Row) {
	t.Helper()
	same := func(what string, w, g any) {
		t.Helper()
		a, _ := json.Marshal(w)
		b, _ := json.Marshal(g)
		if string(a) != string(b) {
			t.Errorf("%s: sock_diag %s, /proc/net %s", what, a, b)
		}
	}
	same("protocol", w.Protocol, g.Protocol)
	same("family", w.Family, g.Family)
	same("state", w.State, g.State)
	same("local", w.Local, g.Local)
	same("remote", w.Remote, g.Remote)
	same("scope", w.Scope, g.Scope)
	same("path", w.Path, g.Path)
	same("type", w.Type, g.Type)
	same("processes", pidsOf(w.Processes), pidsOf(g.Processes))
	same("v6only", w.V6Only, g.V6Only)
	if g.Source != SourceProc || g.Cookie != 0 || g.CgroupID != 0 || g.BacklogLimit != nil || g.TCP != nil {
		t.Errorf("it tells what is not known: %+v", g)
	}
	if w.Protocol == "unix" {
		if g.UID != nil || g.RecvQueue != nil || g.SendQueue != nil || g.Backlog != nil || g.Peer != nil {
			t.Errorf("it tells what is not known: %+v", g)
		}
		return
	}
	same("uid", w.UID, g.UID)
	same("received", w.RecvQueue, g.RecvQueue)
	same("sent", w.SendQueue, g.SendQueue)
	same("backlog", w.Backlog, g.Backlog)
	if (w.Peer == nil) != (g.Peer == nil) {
		t.Errorf("peer: sock_diag %+v, /proc/net %+v", w.Peer, g.Peer)
	} else if w.Peer != nil {
		same("peer", []any{w.Peer.Inode, pidsOf(w.Peer.Processes)}, []any{g.Peer.Inode, pidsOf(g.Peer.Processes)})
	}
}

// Unix sockets may have any bytes for a name, newlines too.
func TestProcUnixNames(t *testing.T) {
	dir := t.TempDir()
	want := make(map[string]string) // path: its state
	for i, name := range []string{
		"plain", " space in front", "two\nlines", "two\n\nempty", "ends\n", "\nbegins", "\xff\xfe not UTF-8", "tab\tand\rreturn",
		"0000000000000000: 00000002 x", "@",
	} {
		path := filepath.Join(dir, name)
		if name == "\nbegins" {
			path = "@" + "\nbegins" + filepath.Base(dir) // abstract, at the beginning of the name
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Fatalf("bind %q: %v", path, err)
		}
		want[path] = "bound"
		if i%2 == 0 {
			if err := unix.Listen(fd, 1); err != nil {
				t.Fatal(err)
			}
			want[path] = "listen"
		}
	}
	c := openWithoutDiag(t)
	err := c.proc.unix(t.Context(), AllStates, func(r *record, info unixInfo) error {
		if state, ok := want[info.path]; ok && state == r.stateName() && info.kind == "stream" && r.inode != 0 {
			delete(want, info.path)
		}
		return nil
	})
	if err != nil || len(want) > 0 {
		t.Errorf("not found: %q, %v", want, err)
	}
}

// What Linux 6.18 wrote on a little-endian machine.
const procTCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 0109537F:1F90 00000000:0000 0A 00000000:00000002 00:00000000 00000000  1000        0 36336891 1 000000009ed5a2cf 100 0 0 10 0                  
   1: 0100007F:D3A2 0100007F:1F90 01 00000010:00000020 02:000006E5 00000000     0        0 123 2 0000000000000000 20 4 30 10 -1                     
   2: 0100007F:1F90 0100007F:9C40 06 00000000:00000000 03:00001514 00000000     0        0 0 3 0000000000000000                                      `

func TestParseProcInet(t *testing.T) {
	var got []record
	for i, line := range strings.Split(procTCP, "\n")[1:] {
		var r record
		if err := parseProcInet([]byte(line), false, &r); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		got = append(got, r)
	}
	l := got[0].socket()
	if l.Src != netip.MustParseAddrPort("127.83.9.1:8080") || l.State != StateListen || l.UID != 1000 || l.Inode != 36336891 || l.RQueue != 2 || l.Family != unix.AF_INET || !l.FromProc {
		t.Errorf("listener %+v", l)
	}
	c := got[1].socket()
	if c.Dst != netip.MustParseAddrPort("127.0.0.1:8080") || c.State != StateEstablished || c.WQueue != 16 || c.RQueue != 32 || got[1].flags&flagUID == 0 {
		t.Errorf("connection %+v", c)
	}
	if got[2].state != StateTimeWait || got[2].flags&flagUID != 0 {
		t.Errorf("TIME_WAIT %+v", got[2])
	}
	var six record
	line := "   0: 0000000000000000FFFF00000109537F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0"
	if err := parseProcInet([]byte(line), true, &six); err != nil || six.socket().Src != netip.MustParseAddrPort("[::ffff:127.83.9.1]:8080") {
		t.Errorf("IPv6: %+v, %v", six.socket(), err)
	}
	for _, bad := range []string{
		"", "0:", "   0: 0109537F:1F90 00000000:0000", line,
		strings.Replace(strings.Split(procTCP, "\n")[1], "0A ", "0G ", 1), strings.Replace(strings.Split(procTCP, "\n")[1], " 1000 ", " -1 ", 1),
		strings.Replace(strings.Split(procTCP, "\n")[1], "36336891", "99999999999", 1),
	} {
		if err := parseProcInet([]byte(bad), false, new(record)); !errors.Is(err, errProcLine) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseProcUnix(t *testing.T) {
	for _, c := range []struct{ line, path, kind, state string }{
		{"00000000f50a1b6d: 00000002 00000000 00010000 0001 01 26011 /run/dbus/system_bus_socket", "/run/dbus/system_bus_socket", "stream", "listen"},
		{"0000000000000000: 00000003 00000000 00000000 0001 03 26012", "", "stream", "connected"},
		{"0000000000000000: 00000002 00000000 00000000 0001 02     0 /run/x", "/run/x", "stream", "connected"},
		{"0000000000000000: 00000002 00000000 00000000 0002 03 77 @/tmp/a@b", "@/tmp/a@b", "datagram", "bound"},
		{"0000000000000000: 00000002 00000000 00000000 0005 01 78 @abstract", "@abstract", "seqpacket", "bound"},
	} {
		var r record
		var info unixInfo
		if err := parseProcUnix([]byte(c.line), &r, &info); err != nil || info.path != c.path || info.kind != c.kind || r.stateName() != c.state {
			t.Errorf("%q: %q %q %s, %v", c.line, info.path, info.kind, r.stateName(), err)
		}
	}
}

func FuzzParseProc(f *testing.F) {
	for line := range strings.Lines(procTCP) {
		f.Add([]byte(line), false)
	}
	f.Add([]byte("00000000f50a1b6d: 00000002 00000000 00010000 0001 01 26011 /run/dbus"), true)
	f.Fuzz(func(t *testing.T, line []byte, six bool) {
		var r record
		if parseProcInet(line, six, &r) == nil && (r.state == 0 || r.flags&flagProc == 0) {
			t.Errorf("%q: %+v", line, r)
		}
		var info unixInfo
		if parseProcUnix(line, &r, &info) == nil && (r.localPort == 0) != (info.path == "" && r.localPort == 0) {
			t.Errorf("%q: %+v %+v", line, r, info)
		}
		_, _, _, _ = parseIfInet6(line)
	})
}

// What a sandbox leaves of the interfaces is what netlink tells.
func TestInterfacesWithoutNetlink(t *testing.T) {
	want, err := readScopes()
	if err != nil {
		t.Fatal(err)
	}
	got, err := scopesWithoutNetlink()
	if err != nil {
		t.Fatal(err)
	}
	for ip, bridge := range want.local {
		if b, ok := got.local[ip]; !ok || b != bridge {
			t.Errorf("%v: %v %v, by netlink %v", ip, b, ok, bridge)
		}
	}
	if len(got.local) < len(want.local) || len(want.local) == 0 {
		t.Errorf("%v, by netlink %v", got.local, want.local)
	}
	names, err := Interfaces()
	if err != nil || names[netip.AddrFrom4([4]byte{127, 0, 0, 1})] != "lo" {
		t.Errorf("%v, %v", names, err)
	}
}

// The sockets of other network namespaces are read there.
func TestSpacesWithoutDiag(t *testing.T) {
	space, name := newSpace(t)
	a := start(t, space, "many 1", nil)
	table := listWithoutDiag(t, "spaces")
	rows := make(map[uint32]*Row)
	for i := range table.Rows {
		rows[table.Rows[i].Inode] = &table.Rows[i]
	}
	found := 0
	for _, h := range a.holds {
		if strings.Contains(h.What, "not listening") {
			continue
		}
		if r := rows[h.Inode]; r == nil || r.NamespaceName != name || r.Source != SourceProc || !holdsIt(r.Processes, h.PID) {
			t.Errorf("%s: %+v", h.What, r)
		}
		found++
	}
	if found == 0 {
		t.Error("no socket compared")
	}
}

func TestSources(t *testing.T) {
	list, err := Sources()
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, s := range list {
		if (s.Missing == nil) != (s.Hint() == "") || s.Unreadable != nil || s.Lost() == "" {
			t.Errorf("%+v: hint %q", s, s.Hint())
		}
	}
	s := Source{Protocol: loopback.TCP, Module: "tcp_diag", Missing: noModule(tableTCP)}
	if h := s.Hint(); !strings.Contains(h, "modprobe tcp_diag") || !strings.Contains(h, "CONFIG_INET_DIAG") {
		t.Errorf("hint %q", h)
	}
}
