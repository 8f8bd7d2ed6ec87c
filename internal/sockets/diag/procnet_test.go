package diag

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
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
	home := [4]byte{127, 83, 9, 1}
	for _, s := range []struct {
		family, kind int
		to           unix.Sockaddr
		only         int
	}{
		{unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{Addr: home}, 0},
		{unix.AF_INET, unix.SOCK_STREAM, &unix.SockaddrInet4{}, 0},
		{unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}, 1},
		{unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{}, 0},
		{unix.AF_INET6, unix.SOCK_STREAM, &unix.SockaddrInet6{Addr: netip.AddrFrom4(home).As16()}, 0},
		{unix.AF_INET, unix.SOCK_DGRAM, &unix.SockaddrInet4{Addr: home}, 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{Addr: netip.IPv6Loopback().As16()}, 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{}, 0},
		{unix.AF_INET6, unix.SOCK_DGRAM, &unix.SockaddrInet6{Addr: netip.AddrFrom4(home).As16()}, 0},
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
	own, err := holders.ProcessSockets(os.Getpid())
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
	if why := diag.Why(ProtoTCP); why != nil || diag.fd < 0 {
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
	err := c.proc.unix(t.Context(), AllStates, func(r *Record, info UnixInfo) error {
		if state, ok := want[info.Path]; ok && state == r.StateName() && info.Kind == "stream" && r.Inode != 0 {
			delete(want, info.Path)
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
	var got []Record
	for i, line := range strings.Split(procTCP, "\n")[1:] {
		var r Record
		if err := parseProcInet([]byte(line), false, &r); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		got = append(got, r)
	}
	l := got[0].Socket()
	if l.Src != netip.MustParseAddrPort("127.83.9.1:8080") || l.State != StateListen || l.UID != 1000 || l.Inode != 36336891 || l.RQueue != 2 || l.Family != unix.AF_INET || !l.FromProc {
		t.Errorf("listener %+v", l)
	}
	c := got[1].Socket()
	if c.Dst != netip.MustParseAddrPort("127.0.0.1:8080") || c.State != StateEstablished || c.WQueue != 16 || c.RQueue != 32 || got[1].Flags&FlagUID == 0 {
		t.Errorf("connection %+v", c)
	}
	if got[2].State != StateTimeWait || got[2].Flags&FlagUID != 0 {
		t.Errorf("TIME_WAIT %+v", got[2])
	}
	var six Record
	line := "   0: 0000000000000000FFFF00000109537F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0 100 0 0 10 0"
	if err := parseProcInet([]byte(line), true, &six); err != nil || six.Socket().Src != netip.MustParseAddrPort("[::ffff:127.83.9.1]:8080") {
		t.Errorf("IPv6: %+v, %v", six.Socket(), err)
	}
	for _, bad := range []string{
		"", "0:", "   0: 0109537F:1F90 00000000:0000", line,
		strings.Replace(strings.Split(procTCP, "\n")[1], "0A ", "0G ", 1), strings.Replace(strings.Split(procTCP, "\n")[1], " 1000 ", " -1 ", 1),
		strings.Replace(strings.Split(procTCP, "\n")[1], "36336891", "99999999999", 1),
	} {
		if err := parseProcInet([]byte(bad), false, new(Record)); !errors.Is(err, ErrProcLine) {
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
		var r Record
		var info UnixInfo
		if err := parseProcUnix([]byte(c.line), &r, &info); err != nil || info.Path != c.path || info.Kind != c.kind || r.StateName() != c.state {
			t.Errorf("%q: %q %q %s, %v", c.line, info.Path, info.Kind, r.StateName(), err)
		}
	}
}

func FuzzParseProc(f *testing.F) {
	for line := range strings.Lines(procTCP) {
		f.Add([]byte(line), false)
	}
	f.Add([]byte("00000000f50a1b6d: 00000002 00000000 00010000 0001 01 26011 /run/dbus"), true)
	f.Fuzz(func(t *testing.T, line []byte, six bool) {
		var r Record
		if parseProcInet(line, six, &r) == nil && (r.State == 0 || r.Flags&FlagProc == 0) {
			t.Errorf("%q: %+v", line, r)
		}
		var info UnixInfo
		if parseProcUnix(line, &r, &info) == nil && (r.LocalPort == 0) != (info.Path == "" && r.LocalPort == 0) {
			t.Errorf("%q: %+v %+v", line, r, info)
		}
	})
}
