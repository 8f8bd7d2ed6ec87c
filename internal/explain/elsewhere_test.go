package explain

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// said is everything that a report tells for people.
func said(r *render.Report) string {
	out := []string{r.Answer}
	for _, l := range r.Lines {
		out = append(out, l.Label+" "+l.Text)
	}
	for _, c := range r.Causes {
		out = append(out, c.Summary, c.Hint)
		out = append(out, c.Texts()...)
	}
	return strings.Join(append(out, r.Hints...), "\n")
}

func wants(t *testing.T, r *render.Report, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(said(r), w) {
			t.Errorf("%s: no %q in\n%s", r.Input, w, said(r))
		}
	}
}

// box starts a puppet in a network namespace of its own, to which a veth leads:
// it has 10.88.N.2 there, and this one 10.88.N.1.
func box(t *testing.T, n int, what string) *os.Process {
	t.Helper()
	p := start(t, what, func(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET} })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = fmt.Sprintf("box%d", n)
	peer := attrs.Name + "p"
	must(netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: peer}))
	here, err := netlink.LinkByName(attrs.Name)
	must(err)
	t.Cleanup(func() { _ = netlink.LinkDel(here) })
	there, err := netlink.LinkByName(peer)
	must(err)
	must(netlink.LinkSetNsPid(there, p.Pid))
	addr, err := netlink.ParseAddr(fmt.Sprintf("10.88.%d.1/24", n))
	must(err)
	must(netlink.AddrAdd(here, addr))
	must(netlink.LinkSetUp(here))
	cmd := exec.Command("nsenter", "-t", fmt.Sprint(p.Pid), "-n", "sh", "-c", fmt.Sprintf("ip addr add 10.88.%d.2/24 dev %s && ip link set %s up", n, peer, peer))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("needs nsenter and ip: %v %s", err, out)
	}
	return p
}

func TestAddressOfNamespace(t *testing.T) {
	p := box(t, 1, "listen 127.0.0.1:14400")
	_, r := explained(t, "connect ECONNREFUSED 10.88.1.2:14400")
	only(t, r, InNamespace)
	wants(t, r, fmt.Sprintf("pid %d", p.Pid), "127.0.0.1:14400")
	_, r = explained(t, "connect ECONNREFUSED 10.88.1.2:14401")
	only(t, r, InNamespace)
	_, r = explained(t, "10.88.1.2")
	wants(t, r, "10.88.1.2 is an address in network namespace")
	if strings.Contains(said(r), "not of this machine") {
		t.Error(said(r))
	}
}

func TestDockerProxyIsFollowed(t *testing.T) {
	server := box(t, 2, "listen 0.0.0.0:14410")
	proxy := func(host, container string) {
		start(t, "listen 127.0.0.1:"+host, func(cmd *exec.Cmd) {
			cmd.Args = []string{"docker-proxy", "-proto", "tcp", "-container-ip", "10.88.2.2", "-container-port", container}
		})
	}
	proxy("14411", "14410")
	proxy("14412", "14419")
	f, r := explained(t, ":14411")
	wants(t, r, fmt.Sprintf("(pid %d)", server.Pid), "10.88.2.2:14410")
	if len(f.Forwards) != 1 || len(f.Forwards[0].Server) != 1 || f.Forwards[0].Server[0].Processes[0].PID != server.Pid {
		t.Errorf("%+v", f.Forwards)
	}
	_, r = explained(t, ":14412")
	cause(t, r, ForwardsNowhere)
}

// TestContainerBridge asks about an address of a container bridge: what can reach it
// is said alike of the address, of the socket and of lodge ports.
func TestContainerBridge(t *testing.T) {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "docker9"}, PeerName: "box9"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link) })
	addr, err := netlink.ParseAddr("10.89.9.1/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	listen(t, "tcp4", "10.89.9.1:14480")
	_, r := explained(t, "10.89.9.1:14480")
	list, err := sockets.List(t.Context(), sockets.Query{Protocols: []string{"tcp"}, Filter: sockets.Filter{Ports: []uint16{14480}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Rows) != 1 || len(r.Listeners) != 1 {
		t.Fatalf("%+v, %+v", list.Rows, r.Listeners)
	}
	reach := loopback.ReachOf(loopback.ScopeContainer, netip.MustParseAddr("10.89.9.1"))
	if list.Rows[0].Scope != loopback.ScopeContainer || r.Listeners[0].Scope != loopback.ScopeContainer || r.Address.Scope != loopback.ScopeContainer || r.Address.Reach != reach || !strings.Contains(r.Answer, reach) {
		t.Errorf("%+v\n%+v\n%s", list.Rows[0], r.Address, r.Answer)
	}
}

func TestRoutes(t *testing.T) {
	add := func(kind int, to string) {
		t.Helper()
		_, dst, err := net.ParseCIDR(to)
		if err != nil {
			t.Fatal(err)
		}
		r := &netlink.Route{Dst: dst, Type: kind}
		if err := netlink.RouteAdd(r); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = netlink.RouteDel(r) })
	}
	add(unix.RTN_PROHIBIT, "10.89.1.0/24")
	add(unix.RTN_UNREACHABLE, "10.89.2.0/24")
	add(unix.RTN_BLACKHOLE, "10.89.3.0/24")
	for ip, kind := range map[string]string{
		"10.89.1.1": "prohibit", "10.89.2.1": "unreachable", "10.89.3.1": "blackhole", "10.89.9.1": "none",
	} {
		_, r := explained(t, fmt.Sprintf("dial tcp %s:80: connect: network is unreachable", ip))
		if c := cause(t, r, NoRoute); c.Evidence[0].Route == nil || c.Evidence[0].Route.Type != kind || r.Causes[0].Code != NoRoute {
			t.Errorf("%s: %+v", ip, r.Causes)
		}
	}
	if f, _ := explained(t, "10.213.7.9:80"); len(f.Routes) != 0 {
		t.Errorf("an address of the network of %s: %v", lan, f.Routes)
	}
}

// TestLinkDown has an interface that leads to the address and is down.
func TestLinkDown(t *testing.T) {
	link := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "down0"}, PeerName: "down1"}
	if err := netlink.LinkAdd(link); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = netlink.LinkDel(link) })
	addr, err := netlink.ParseAddr("10.89.7.1/24")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		t.Fatal(err)
	}
	_, r := explained(t, "dial tcp 10.89.7.9:80: connect: network is unreachable")
	if c := cause(t, r, NoRoute); c.Evidence[0].Route.Interface != "down0" || c.Hint != "bring it up: ip link set down0 up" {
		t.Errorf("%+v", c)
	}
	_, r = explained(t, "dial tcp 10.89.8.9:80: connect: network is unreachable")
	if c := cause(t, r, NoRoute); c.Evidence[0].Route.Interface != "" {
		t.Errorf("%+v", c)
	}
}

func TestLoopbackDown(t *testing.T) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetDown(lo); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := netlink.LinkSetUp(lo); err != nil {
			t.Error(err)
		}
	})
	_, r := explained(t, "dial tcp 127.0.0.1:14420: connect: network is unreachable")
	if r.Causes[0].Code != LoopbackDown {
		t.Errorf("%+v", r.Causes)
	}
	wants(t, r, "ip link set lo up")
}

func TestUDPWhereNotSaid(t *testing.T) {
	c, err := net.ListenPacket("udp4", "127.0.0.1:14430")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_, r := explained(t, "OSError: [Errno 98] Address already in use: ('127.0.0.1', 14430)")
	only(t, r, HeldByProcess)
	wants(t, r, "by UDP", self(t))
	_, r = explained(t, "listen tcp 127.0.0.1:14430: bind: address already in use")
	only(t, r, FreeNow)
	wants(t, r, "UDP", self(t))
	_, r = explained(t, refusal(t, "127.0.0.1:14430"))
	only(t, r, NobodyListens)
	wants(t, r, "by UDP", self(t))
}

func TestNotInTheWay(t *testing.T) {
	listen(t, "tcp4", "127.0.0.2:14440")
	_, r := explained(t, "listen tcp 127.0.0.1:14440: bind: address already in use")
	only(t, r, FreeNow)
	wants(t, r, "127.0.0.2:14440", self(t))
}

func TestCloseWait(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:14450")
	for range 3 {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		_ = c.Close()
	}
	var r *render.Report
	eventually(t, "three connections in CLOSE_WAIT", func() bool {
		_, r = explained(t, ":14450")
		return strings.Contains(r.Answer, "3 connections are in CLOSE_WAIT")
	})
	cause(t, r, CloseWait)
}

// TestClosedByServer has connections that the server has closed, and its clients
// have not.
func TestClosedByServer(t *testing.T) {
	l := listen(t, "tcp4", "127.0.0.1:14451")
	for range 3 {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
	}
	eventually(t, "three connections closed here", func() bool {
		_, r := explained(t, ":14451")
		return strings.Contains(r.Answer, "3 connections are closed here") && !strings.Contains(r.Answer, "open to it")
	})
}

// A server has ended, and a child of it that inherited its socket goes on.
func TestInheritedListener(t *testing.T) {
	fd, err := socketTo("127.0.0.1:14460", false)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 4); err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), "socket")
	// The shell ends at once and leaves sleep behind, in its session.
	cmd := exec.Command("sh", "-c", "sleep 600 <&- >&- 2>&- & echo $!")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	_ = socket.Close()
	pid := 0
	if _, err := fmt.Sscan(string(out), &pid); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	var r *render.Report
	eventually(t, "sleep waits", func() bool {
		_, r = explained(t, "listen tcp 127.0.0.1:14460: bind: address already in use")
		return strings.Contains(said(r), "inherited")
	})
	if c := cause(t, r, HeldByProcess); len(c.PIDs) != 1 || c.PIDs[0] != pid {
		t.Errorf("%+v", c)
	}
	// A server that sleeps has made its socket itself.
	start(t, "listen 127.0.0.1:14461")
	if _, r := explained(t, "listen tcp 127.0.0.1:14461: bind: address already in use"); strings.Contains(said(r), "inherited") {
		t.Error(said(r))
	}
}

func TestUnixSockets(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	l, err := net.Listen("unix", path("app.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	dead, err := net.Listen("unix", path("dead.sock"))
	if err != nil {
		t.Fatal(err)
	}
	dead.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = dead.Close()
	if err := os.WriteFile(path("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for text, code := range map[string]Code{
		"dial unix " + path("app.sock") + ": connect: connection refused":                                                ListensNow,
		"listen unix " + path("app.sock") + ": bind: address already in use":                                             HeldByProcess,
		"dial unix " + path("dead.sock") + ": connect: connection refused":                                               SocketStale,
		"listen unix " + path("dead.sock") + ": bind: address already in use":                                            SocketStale,
		"dial unix " + path("none.sock") + ": connect: no such file or directory":                                        SocketMissing,
		"dial unix " + path("no/dir/x.sock") + ": connect: no such file or directory":                                    SocketMissing,
		"listen unix " + path("no/dir/x.sock") + ": bind: no such file or directory":                                     SocketMissing,
		"connect(3, {sa_family=AF_UNIX, sun_path=\"" + path("file") + "\"}, 110) = -1 ECONNREFUSED (Connection refused)": NotASocket,
		"listen unix " + path("new.sock") + ": bind: address already in use":                                             FreeNow,
	} {
		_, r := explained(t, text)
		if len(r.Causes) != 1 || r.Causes[0].Code != code || r.Unix == nil {
			t.Errorf("%s: %+v, want %s", text, r.Causes, code)
		}
	}
	_, r := explained(t, path("app.sock"))
	wants(t, r, self(t), path("app.sock"))
	if len(r.Listeners) != 1 || r.Kind != input.KindUnix || !r.Unix.Socket {
		t.Errorf("%+v", r)
	}
	// The server listens under that name elsewhere.
	_, r = explained(t, "dial unix "+filepath.Join(t.TempDir(), "app.sock")+": connect: no such file or directory")
	wants(t, r, path("app.sock"))
}

// A message that tells of two failures has both explained.
func TestTwoFailures(t *testing.T) {
	_, r := explained(t, "Error: connect ECONNREFUSED 127.0.0.1:14470\nError: listen EADDRINUSE: address already in use :::14471")
	if r.Operation != input.Bind || r.Port.Port != 14471 || len(r.Also) != 1 || r.Also[0].Port != 14470 || !strings.Contains(r.Answer, "127.0.0.1:14470") {
		t.Errorf("%+v", r)
	}
}
