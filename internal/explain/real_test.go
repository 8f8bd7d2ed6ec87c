package explain

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/model"
	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/sockets"
)

// Each test here makes a cause happen for real: the operation fails as a
// program sees it fail, and the report says why.

// self is the name of this process, as the kernel has it.
func self(t *testing.T) string {
	t.Helper()
	st, err := procfs.ReadStat(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return st.Name
}

func refusal(t *testing.T, address string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, waiting)
	if err == nil {
		_ = c.Close()
		t.Fatalf("a connection to %s was made", address)
	}
	return err.Error()
}

// inUse tries to bind without SO_REUSEADDR, which fails, and returns Go's message.
func inUse(t *testing.T, address string) string {
	t.Helper()
	_, err := socketTo(address, false)
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("bind %s: %v", address, err)
	}
	return fmt.Sprintf("listen tcp %s: bind: %v", address, err)
}

func TestNobodyListens(t *testing.T) {
	_, r := explained(t, refusal(t, "127.0.0.1:27017"))
	only(t, r, NobodyListens)
	if c := cause(t, r, NobodyListens); !strings.Contains(c.Hint, "MongoDB") || !c.Sure {
		t.Errorf("%+v", c)
	}
	if r.Operation != input.Connect || r.Error != "ECONNREFUSED" || r.Answer != "Nobody listens on 127.0.0.1:27017." {
		t.Errorf("%+v", r)
	}
}

func TestListensOnOtherAddress(t *testing.T) {
	for _, c := range []struct{ listens, asked, hint string }{
		{"[::1]:14001", "127.0.0.1:14001", "connect to [::1]:14001"},
		{"127.0.0.1:14002", "[::1]:14002", "connect to 127.0.0.1:14002"},
		{"127.0.0.2:14003", "127.0.0.1:14003", "connect to 127.0.0.2:14003"},
		{lan + ":14004", "127.0.0.1:14004", "connect to " + lan + ":14004"},
		{"127.0.0.1:14005", lan + ":14005", "connect to 127.0.0.1:14005"},
		{"0.0.0.0:14006", "[::1]:14006", "connect to 127.0.0.1:14006"},
	} {
		network := "tcp4"
		if strings.HasPrefix(c.listens, "[") {
			network = "tcp6"
		}
		listen(t, network, c.listens)
		_, r := explained(t, refusal(t, c.asked))
		only(t, r, OtherAddress)
		got := cause(t, r, OtherAddress)
		if !strings.HasPrefix(got.Hint, c.hint) || !strings.Contains(got.Summary, fmt.Sprint("pid ", os.Getpid())) {
			t.Errorf("%+v", got)
		}
	}
}

func TestListensInHome(t *testing.T) {
	home := netip.MustParseAddr("127.85.120.159")
	listen(t, "tcp4", "127.85.120.159:14010")
	message := refusal(t, "127.0.0.1:14010")
	with := func(s *gather.Source) {
		s.Projects = []facts.Project{{Name: "main", Path: "/home/ann/main", Home4: home, Engine: loopback.EBPF}}
		s.Homes = []sockets.Home{{IP4: home, Project: "main", ID: "x"}}
	}
	_, r := explained(t, message, with)
	only(t, r, InHome)
	c := cause(t, r, InHome)
	if !strings.Contains(c.Summary, "home of project main") || c.Hint != "from outside connect to 127.85.120.159:14010; or go inside: cd /home/ann/main && lodge exec -- CMD" {
		t.Errorf("%+v", c)
	}
	_, r = explained(t, "127.85.120.159:14010", with)
	if len(r.Listeners) != 1 || r.Address.Project != "main" || r.Address.Scope != loopback.ScopeHome {
		t.Errorf("%+v", r)
	}
	// Inside, localhost is the home.
	_, r = explained(t, "localhost:14010", with, func(s *gather.Source) { s.Inside = home })
	if len(r.Listeners) != 1 || len(r.Causes) > 0 && r.Causes[0].Code == InHome {
		t.Errorf("%+v", r)
	}
	// A wildcard bind outside meets the home's socket.
	_, r = explained(t, inUse(t, "0.0.0.0:14010"), with)
	only(t, r, HeldInHome)
	if c := cause(t, r, HeldInHome); !strings.Contains(c.Summary, "home of project main") || len(c.PIDs) != 1 {
		t.Errorf("%+v", c)
	}
	// 127.0.0.1 does not, unless the program that says so is inside.
	_, r = explained(t, "listen tcp 127.0.0.1:14010: bind: address already in use", with)
	only(t, r, HeldInHome)
	if r.Causes[0].Sure || !strings.Contains(r.Answer, "Outside nothing holds it") {
		t.Errorf("%+v", r.Causes[0])
	}
	listen(t, "tcp4", "127.0.0.1:14010")
	_, r = explained(t, inUse(t, "127.0.0.1:14010"), with)
	only(t, r, HeldByProcess)
}

func TestListensInNamespace(t *testing.T) {
	p := start(t, "listen 127.0.0.1:14020", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	})
	_, r := explained(t, refusal(t, "127.0.0.1:14020"))
	only(t, r, InNamespace)
	c := cause(t, r, InNamespace)
	if e := c.Evidence[0]; e.Kind != model.KindSocket || e.Socket.Namespace == 0 || len(e.Socket.Processes) != 1 || e.Socket.Processes[0].PID != p.Pid {
		t.Errorf("%+v", c)
	}
	// Another loopback address there, such as that of a project's home, is not
	// what localhost means.
	start(t, "listen 127.83.9.9:14021", func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	})
	_, r = explained(t, refusal(t, "127.0.0.1:14021"))
	only(t, r, NobodyListens)
	_, r = explained(t, refusal(t, "127.83.9.9:14021"))
	only(t, r, InNamespace)
}

func TestBoundNotListening(t *testing.T) {
	p := start(t, "bind 127.0.0.1:14030")
	_, r := explained(t, refusal(t, "127.0.0.1:14030"))
	if len(r.Causes) == 1 && r.Causes[0].Code == NobodyListens {
		t.Skip("this kernel does not show bound sockets (before Linux 6.8)")
	}
	only(t, r, BoundOnly)
	if c := cause(t, r, BoundOnly); !slices.Equal(c.PIDs, []int{p.Pid}) {
		t.Errorf("%+v", c)
	}
	_, r = explained(t, inUse(t, "127.0.0.1:14030"))
	only(t, r, HeldByProcess)
	if c := cause(t, r, HeldByProcess); !strings.Contains(c.Summary, "does not listen") {
		t.Errorf("%+v", c)
	}
}

// closed makes a connection and ends it so that the given end closes first.
func closed(t *testing.T, l *net.TCPListener, serverFirst bool) (client netip.AddrPort) {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	first, second := c, s
	if serverFirst {
		first, second = s, c
	}
	client = netip.MustParseAddrPort(c.LocalAddr().String())
	_ = first.Close()
	if n, err := second.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Fatal("the other end did not close")
	}
	_ = second.Close()
	return client
}

func TestTimeWait(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:14040")
	closed(t, l, true)
	_ = l.Close()
	_, r := explained(t, inUse(t, "127.0.0.1:14040"))
	only(t, r, TimeWait)
	// For a connection: no socket listens, and one did.
	_, r = explained(t, refusal(t, "127.0.0.1:14040"))
	only(t, r, NobodyListens)
	if c := cause(t, r, NobodyListens); !strings.Contains(strings.Join(c.Texts(), "\n"), "TIME_WAIT") {
		t.Errorf("%+v", c)
	}
	// The client's end, asked by itself.
	l = listen(t, "tcp4", "127.0.0.1:14041")
	client := closed(t, l, false)
	_, r = explained(t, client.String())
	if !strings.HasPrefix(r.Answer, "Nobody has it now: it was one end of a connection to 127.0.0.1:14041") || !strings.Contains(r.Answer, "TIME_WAIT") {
		t.Errorf("%s", r.Answer)
	}
}

func TestHeldByProcess(t *testing.T) {
	p := start(t, "listen 127.0.0.1:14050")
	for _, address := range []string{"127.0.0.1:14050", "0.0.0.0:14050", "[::]:14050"} {
		_, r := explained(t, inUse(t, address))
		only(t, r, HeldByProcess)
		c := cause(t, r, HeldByProcess)
		if !slices.Equal(c.PIDs, []int{p.Pid}) || !strings.Contains(c.Hint, "lodge explain --kill") {
			t.Errorf("%s: %+v", address, c)
		}
	}
	_, r := explained(t, ":14050")
	if len(r.Listeners) != 1 || len(r.Ancestors[p.Pid]) == 0 || r.Ancestors[p.Pid][0].PID != os.Getpid() {
		t.Errorf("%+v", r)
	}
	text := fmt.Sprint(r.Lines)
	for _, want := range []string{fmt.Sprintf("{process %d ", p.Pid), "{directory ", "{started by " + self(t) + " (" + itoa(os.Getpid())} {
		if !strings.Contains(text, want) {
			t.Errorf("lines lack %q: %s", want, text)
		}
	}
}

func TestEphemeralTaken(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:14060")
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := c.LocalAddr().String()
	_, r := explained(t, inUse(t, at))
	only(t, r, EphemeralTaken)
	got := cause(t, r, EphemeralTaken)
	if !strings.Contains(got.Summary, at+" to 127.0.0.1:14060") || !strings.Contains(got.Hint, "ip_local_reserved_ports=") {
		t.Errorf("%+v", got)
	}
	_, r = explained(t, at)
	if !strings.HasPrefix(r.Answer, at+" is the client end of a connection: "+self(t)+" (pid ") {
		t.Error(r.Answer)
	}
}

// A program that connects to a free port of the ephemeral range often enough
// gets connected to itself.
func TestSelfConnected(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:14070")
	fd, err := socketTo(at.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	_, r := explained(t, inUse(t, at.String()))
	only(t, r, SelfConnected)
	if c := cause(t, r, SelfConnected); !slices.Equal(c.PIDs, []int{os.Getpid()}) {
		t.Errorf("%+v", c)
	}
	_, r = explained(t, at.String())
	if !strings.Contains(r.Answer, "is connected to itself on 127.0.0.1:14070") {
		t.Error(r.Answer)
	}
}

func TestBacklogFull(t *testing.T) {
	fd, err := socketTo("127.0.0.1:14080", false)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	// Fill it: as many as the limit, and one more.
	for range 2 {
		c, err := net.DialTimeout("tcp", "127.0.0.1:14080", waiting)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if c, err := net.DialTimeout("tcp", "127.0.0.1:14080", 300*time.Millisecond); err == nil {
		_ = c.Close()
		t.Fatal("a third connection was made")
	}
	f, r := explained(t, "dial tcp 127.0.0.1:14080: i/o timeout")
	only(t, r, BacklogFull)
	c := cause(t, r, BacklogFull)
	if c.Evidence[0].Limit == nil || c.Evidence[0].Limit.Used != 2 || c.Evidence[0].Limit.Max != 1 || f.Kernel.Overflows == 0 || f.Kernel.Drops == 0 {
		t.Errorf("%+v, %+v", c, f.Kernel)
	}
}

func TestFirewall(t *testing.T) {
	var nft string
	for _, dir := range []string{"/usr/sbin/", "/sbin/", "/usr/bin/"} {
		if _, err := os.Stat(dir + "nft"); err == nil {
			nft = dir + "nft"
		}
	}
	if nft == "" {
		t.Skip("program nft is missing (hint: sh test/install)")
	}
	rules := func(s string) {
		cmd := exec.Command(nft, "-f", "-")
		cmd.Stdin = strings.NewReader("flush ruleset\n" + s)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	t.Cleanup(func() { rules("") })
	listen(t, "tcp4", "127.0.0.1:14090")
	rules("table inet dev {\nchain in {\ntype filter hook input priority 0\niif lo tcp dport 14090 drop comment \"no database\"\n}\n}\n")
	if c, err := net.DialTimeout("tcp", "127.0.0.1:14090", 300*time.Millisecond); err == nil {
		_ = c.Close()
		t.Fatal("a connection was made")
	}
	_, r := explained(t, "dial tcp 127.0.0.1:14090: i/o timeout")
	only(t, r, FirewallRule)
	c := cause(t, r, FirewallRule)
	if want := []string{"chain inet dev in (at input)", `rule iif "lo" tcp dport 14090 drop`, "its comment says: no database"}; !slices.Equal(c.Texts(), want) {
		t.Errorf("evidence %q", c.Texts())
	}
	if !strings.HasPrefix(c.Hint, "to take the rule away: nft delete rule inet dev in handle ") {
		t.Errorf("hint %q", c.Hint)
	}
	// Refused by a rule, and refused because no socket listens, are told apart.
	rules("table inet dev {\nchain in {\ntype filter hook input priority 0\ntcp dport 14090 reject with tcp reset\n}\n}\n")
	_, r = explained(t, refusal(t, "127.0.0.1:14090"))
	only(t, r, FirewallRule)
	if !strings.Contains(r.Answer, "refuses connections to 127.0.0.1:14090") {
		t.Error(r.Answer)
	}
}

func TestPrivilegedPort(t *testing.T) {
	f, r := explained(t, "listen tcp :80: bind: permission denied")
	c := cause(t, r, PrivilegedPort)
	if f.Kernel.UnprivilegedStart != 1024 || r.Causes[0].Code != PrivilegedPort || !strings.Contains(c.Summary, "below 1024") {
		t.Errorf("%+v", c)
	}
	sysctl(t, "ip_unprivileged_port_start", "80")
	_, r = explained(t, "listen tcp :80: bind: permission denied")
	if r.Causes[0].Code == PrivilegedPort {
		t.Errorf("80 is not below 80: %+v", r.Causes)
	}
}

func TestFamilyOrder(t *testing.T) {
	listen(t, "tcp4", "127.0.0.1:14100")
	message := `Get "http://localhost:14100/": ` + refusal(t, "[::1]:14100")
	_, r := explained(t, message)
	only(t, r, FamilyOrder)
	c := cause(t, r, FamilyOrder)
	if !strings.Contains(c.Summary, "localhost means ::1 first") || !slices.Contains(c.Texts(), "hosts file: ::1 localhost") {
		t.Errorf("%+v", c)
	}
	if !slices.Equal(r.Address.Resolved, []netip.Addr{netip.IPv6Loopback(), facts.Loopback4}) {
		t.Errorf("resolved %v", r.Address.Resolved)
	}
	// Where the name has IPv4 only, there is nothing to warn of.
	_, r = explained(t, "localhost:14100", func(s *gather.Source) { s.Hosts = hostsFile(t, "127.0.0.1 localhost\n") })
	if slices.ContainsFunc(r.Causes, func(c model.Finding) bool { return c.Code == FamilyOrder }) {
		t.Errorf("%+v", r.Causes)
	}
}

func TestReusePortShared(t *testing.T) {
	a := start(t, "share 127.0.0.1:14110")
	b := start(t, "share 127.0.0.1:14110", func(cmd *exec.Cmd) { cmd.Args = []string{"python", "-u", "other.py"} })
	_, r := explained(t, "127.0.0.1:14110")
	c := cause(t, r, ReusePortShared)
	for _, p := range []*os.Process{a, b} {
		if !slices.Contains(c.PIDs, p.Pid) {
			t.Errorf("%+v", c)
		}
	}
	// The same program several times is how servers use it.
	start(t, "share 127.0.0.1:14111")
	start(t, "share 127.0.0.1:14111")
	_, r = explained(t, "127.0.0.1:14111")
	if slices.ContainsFunc(r.Causes, func(c model.Finding) bool { return c.Code == ReusePortShared }) {
		t.Errorf("%+v", r.Causes)
	}
}

func TestProcessStopped(t *testing.T) {
	p := start(t, "listen 127.0.0.1:14120")
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "stopped", func() bool { st, _ := procfs.ReadStat(p.Pid); return st.State == 'T' })
	_, r := explained(t, "dial tcp 127.0.0.1:14120: i/o timeout")
	only(t, r, ProcessStopped)
	if c := cause(t, r, ProcessStopped); !strings.Contains(c.Hint, fmt.Sprint("kill -CONT ", p.Pid)) {
		t.Errorf("%+v", c)
	}
}

func TestNotLocal(t *testing.T) {
	_, err := net.Listen("tcp", "10.9.8.7:14130")
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatal(err)
	}
	_, r := explained(t, err.Error())
	if r.Causes[0].Code != NotLocal || r.Causes[0].Operation != input.Bind || !strings.Contains(r.Causes[0].Hint, lan+" (lan0)") {
		t.Errorf("%+v", r.Causes)
	}
	_, r = explained(t, "dial tcp 10.9.8.7:14130: i/o timeout")
	only(t, r, NoRoute, NotLocal) // the namespace has no route to others
}

func TestNoIPv6Loopback(t *testing.T) {
	file := "/proc/sys/net/ipv6/conf/lo/disable_ipv6"
	if err := os.WriteFile(file, []byte("1"), 0); err != nil {
		t.Skip("no IPv6 here:", err)
	}
	defer func() { _ = os.WriteFile(file, []byte("0"), 0) }()
	listen(t, "tcp4", "127.0.0.1:14140")
	c, err := net.DialTimeout("tcp", "[::1]:14140", waiting)
	if err == nil {
		_ = c.Close()
		t.Fatal("connected")
	}
	_, r := explained(t, err.Error())
	if got := cause(t, r, NotLocal); !strings.Contains(got.Summary, "IPv6 is switched off") || r.Causes[0].Code != NotLocal {
		t.Errorf("%+v", r.Causes)
	}
}

func TestEphemeralExhausted(t *testing.T) {
	sysctl(t, "ip_local_port_range", "40000 40007")
	sysctl(t, "ip_local_reserved_ports", "40003")
	l := listen(t, "tcp4", "127.0.0.1:14150")
	var err error
	for range 9 {
		var c net.Conn
		if c, err = net.DialTimeout("tcp", l.Addr().String(), waiting); err != nil {
			break
		}
		defer c.Close()
	}
	if !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Fatal(err)
	}
	_, r := explained(t, err.Error())
	if r.Causes[0].Code != PortsExhausted {
		t.Errorf("%+v", r.Causes)
	}
	cause(t, r, PortsExhausted)
	_, r = explained(t, "40003")
	if r.Port.Ephemeral || !r.Port.Reserved {
		t.Errorf("%+v", r.Port)
	}
}

func TestListensNow(t *testing.T) {
	message := refusal(t, "127.0.0.1:14160")
	listen(t, "tcp4", "127.0.0.1:14160")
	_, r := explained(t, message)
	only(t, r, ListensNow)
}

func TestFreeNow(t *testing.T) {
	p := start(t, "listen 127.0.0.1:14170")
	message := inUse(t, "127.0.0.1:14170")
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	_, r := explained(t, message)
	only(t, r, FreeNow)
}

func TestProcessDied(t *testing.T) {
	status := 3
	with := func(s *gather.Source) {
		s.Projects = []facts.Project{{Name: "shop", Path: "/home/ann/shop", Home4: netip.MustParseAddr("127.70.1.1"), Services: []facts.Service{
			{Name: "web", State: "ready", Ports: []uint16{14181}},
			{Name: "db", State: "backoff", Ended: true, Exit: &status, Reason: "exit status 3", Ports: []uint16{14180}},
		}}}
	}
	_, r := explained(t, refusal(t, "127.0.0.1:14180"), with)
	only(t, r, ProcessDied)
	c := cause(t, r, ProcessDied)
	if !strings.Contains(c.Summary, "db of project shop") || !strings.Contains(c.Summary, "exit status 3") || c.Hint != "read its log: cd /home/ann/shop && lodge logs db" {
		t.Errorf("%+v", c)
	}
	_, r = explained(t, refusal(t, "127.0.0.1:14181"), with)
	only(t, r, NobodyListens)
}

func TestNameNotResolved(t *testing.T) {
	_, r := explained(t, "db.shop.test:5432")
	only(t, r, NameUnknown)
	_, r = explained(t, "db.shop.test:5432", func(s *gather.Source) { s.Hosts = hostsFile(t, "127.0.0.1 db.shop.test\n") })
	if r.Address.ResolvedBy != "hosts file" || r.Address.NameRFC == "" {
		t.Errorf("%+v", r.Address)
	}
}

// A server that is gone, and whose worker still has a connection.
func TestConnectionLeft(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:14190")
	p := start(t, "hold 127.0.0.1:14190")
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_ = l.Close()
	_, r := explained(t, inUse(t, "127.0.0.1:14190"))
	only(t, r, HeldByProcess)
	if c := cause(t, r, HeldByProcess); !slices.Equal(c.PIDs, []int{os.Getpid()}) || c.Evidence[0].Socket == nil || c.Evidence[0].Socket.Local.Port != 14190 || p.Pid == 0 {
		t.Errorf("%+v", c)
	}
}

func TestUDP(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:14200")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, r := explained(t, "127.0.0.1:14200/udp")
	if len(r.Listeners) != 1 || !strings.Contains(r.Answer, "waits for UDP datagrams on 127.0.0.1:14200") {
		t.Errorf("%+v", r)
	}
	_, r = explained(t, "listen udp 127.0.0.1:14200: bind: address already in use")
	only(t, r, HeldByProcess)
	_, r = explained(t, "127.0.0.1:14200/tcp")
	if len(r.Listeners) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestEnd(t *testing.T) {
	p := start(t, "listen 127.0.0.1:14210")
	f, _ := explained(t, ":14210")
	vs := Victims(f)
	if len(vs) != 1 || vs[0].PID != p.Pid {
		t.Fatalf("%+v", vs)
	}
	other := vs[0]
	other.start++
	if err := End(t.Context(), other, waiting); !errors.Is(err, pidfd.ErrGone) {
		t.Fatalf("another process with that number: %v", err)
	}
	if st, err := procfs.ReadStat(p.Pid); err != nil || st.State == 'Z' {
		t.Fatal("it was signalled")
	}
	go func() { _, _ = p.Wait() }()
	if err := End(t.Context(), vs[0], waiting); err != nil {
		t.Fatal(err)
	}
	if err := End(t.Context(), vs[0], waiting); !errors.Is(err, pidfd.ErrGone) {
		t.Errorf("a second time: %v", err)
	}
	if err := End(t.Context(), Victim{PID: 1}, waiting); err == nil {
		t.Error("process 1 may be ended")
	}
}
