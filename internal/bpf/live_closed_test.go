package bpf

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/owners"
)

// closedAt finds who closed the end local of a connection to remote.
func closedAt(t *owners.Table, local, remote netip.AddrPort) (owners.Closed, bool) {
	for _, c := range t.Closed {
		if c.Local == local && c.Remote == remote {
			return c, true
		}
	}
	return owners.Closed{}, false
}

// namespace is this process's network namespace.
func namespace(t testing.TB) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

// TestLiveShortLived: programs that connect and end, in the ways that there
// are. Their connections are in TIME_WAIT when nothing is left of them.
func TestLiveShortLived(t *testing.T) {
	if to := os.Getenv("LODGE_TEST_CONNECT"); to != "" {
		c, err := net.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		if os.Getenv("LODGE_TEST_CLOSE") != "" {
			_ = c.Close()
		}
		os.Exit(0) // the kernel closes what is open
	}
	l := openLive(t)
	for _, network := range []string{"127.0.0.1:0", "[::1]:0", "[::]:0"} {
		for _, how := range []string{"closes", "exits", "shell"} {
			t.Run(network+" "+how, func(t *testing.T) { shortLived(t, l, network, how) })
		}
	}
}

func shortLived(t *testing.T, l *Live, listen, how string) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		t.Skipf("needs %s: %v", listen, err)
	}
	defer ln.Close()
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), to.Port())
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestLiveShortLived$")
	cmd.Env = append(os.Environ(), "LODGE_TEST_CONNECT="+to.String())
	switch how {
	case "closes":
		cmd.Env = append(cmd.Env, "LODGE_TEST_CLOSE=1")
	case "shell":
		// A copy of the shell, which never becomes another program, has the
		// connection and ends; its number is what it prints.
		cmd = exec.Command("bash", "-c", `(exec 3<>/dev/tcp/`+to.Addr().String()+`/`+strings.TrimPrefix(to.String(), addrOf(to))+`; echo $BASHPID); true`)
	}
	before := time.Now()
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("read: %v, want EOF", err)
	}
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	table := ask(t, l)
	got, ok := closedAt(table, from, to)
	if !ok {
		t.Fatalf("nobody closed %s to %s", from, to)
	}
	p := table.Processes[got.Process]
	pid := cmd.Process.Pid
	if how == "shell" {
		pid = atoi(t, out)
	}
	command := strings.Join(cmd.Args, "\x00") + "\x00"
	if p.Cut {
		command = command[:len(p.Command)]
	}
	if int(p.PID) != pid || p.UID != uint32(os.Geteuid()) || p.Command != command || p.Start == 0 {
		t.Errorf("%+v, want process %d, command %q", p, pid, command)
	}
	if want := wantName(cmd.Path); p.Name != want {
		t.Errorf("name %q, want %q", p.Name, want)
	}
	if got.Namespace != namespace(t) {
		t.Errorf("namespace %d, want %d", got.Namespace, namespace(t))
	}
	if at := time.Now().Add(-time.Duration(table.Boot - got.At)); at.Before(before.Add(-time.Second)) || at.After(time.Now().Add(time.Second)) {
		t.Errorf("closed at %v, after %v", at, before)
	}
	// The other end closes now, as the last: nothing is left of it.
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	local := ln.Addr().(*net.TCPAddr).AddrPort()
	if c, ok := closedAt(ask(t, l), netip.AddrPortFrom(to.Addr(), local.Port()), from); ok {
		t.Errorf("the end that closed last is remembered: %+v", c)
	}
}

func addrOf(a netip.AddrPort) string {
	s := a.String()
	return s[:strings.LastIndexByte(s, ':')+1]
}

func wantName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	return name[:min(len(name), 15)]
}

func atoi(t *testing.T, b []byte) int {
	t.Helper()
	n := 0
	for _, c := range strings.TrimSpace(string(b)) {
		if c < '0' || c > '9' {
			t.Fatalf("%q is no number", b)
		}
		n = 10*n + int(c-'0')
	}
	return n
}

// TestLiveOpened: connections and listeners know since when.
func TestLiveOpened(t *testing.T) {
	l := openLive(t)
	from := ask(t, l).Boot
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	udp := newSocket(t, unix.SOCK_DGRAM)
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	single, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	table := ask(t, l)
	opened := func(inode uint32) uint64 {
		i := slices.IndexFunc(table.Holdings, func(h owners.Holding) bool { return h.Inode == inode })
		if i < 0 {
			t.Fatalf("socket %d is not told", inode)
		}
		return table.Holdings[i].Opened
	}
	for name, c := range map[string]syscall.Conn{
		"connected": a.(*net.TCPConn), "accepted": b.(*net.TCPConn),
		"listening": single.(*net.TCPListener), "listening for MPTCP, where there is such": ln.(*net.TCPListener),
	} {
		var inode uint32
		raw, err := c.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { inode = inodeOf(t, int(fd)) })
		}
		if err != nil {
			t.Fatal(err)
		}
		if at := opened(inode); at < from || at > table.Boot {
			t.Errorf("%s: opened at %d, want from %d to %d", name, at, from, table.Boot)
		}
	}
	if at := opened(inodeOf(t, udp)); at != 0 {
		t.Errorf("a UDP socket: opened at %d", at)
	}
}

// TestLiveLosses: what had no place is told.
func TestLiveLosses(t *testing.T) {
	l := openLive(t)
	if w := ask(t, l).Warnings; len(w) != 0 {
		t.Errorf("warnings %q", w)
	}
	if err := l.objects.Counters.Set(&counters{OpenedLost: 3, ClosedLost: 2, ClosedPut: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	table := &owners.Table{Boot: uint64(time.Hour)}
	if err := l.addLosses(table, maxClosed, uint64(time.Hour-7*time.Second)); err != nil {
		t.Fatal(err)
	}
	if len(table.Warnings) != 3 || !strings.Contains(table.Warnings[2], "more than about 7 seconds ago") {
		t.Errorf("warnings %q", table.Warnings)
	}
	// What is forgotten when the kernel shows it no more is no loss.
	table.Warnings = nil
	if err := l.addLosses(table, maxClosed, uint64(time.Hour-2*time.Minute)); err != nil || len(table.Warnings) != 2 {
		t.Errorf("warnings %q, %v", table.Warnings, err)
	}
}

// TestLiveExpires: who closed something long ago is told no more.
func TestLiveExpires(t *testing.T) {
	l := openLive(t)
	key, value := liveEnds{Family: unix.AF_INET, Lport: 1}, liveClosed{}
	value.By.Pid = 1
	if err := l.objects.ClosedBy.Put(&key, &value); err != nil {
		t.Fatal(err)
	}
	table := &owners.Table{Boot: uint64(keepClosed) + 1}
	if err := l.addClosed(table); err != nil {
		t.Fatal(err)
	}
	var left liveClosed
	if err := l.objects.ClosedBy.Lookup(&key, &left); err == nil || l.expired != 1 {
		t.Errorf("%v, %d expired: it is still there", err, l.expired)
	}
}
