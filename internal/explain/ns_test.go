package explain

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/model"
)

const (
	inside  = "LODGE_TEST_NETNS"
	puppet  = "LODGE_TEST_PUPPET"
	waiting = 30 * time.Second
)

// TestMain runs the tests in a network namespace of their own: its sockets,
// sysctls and firewall are theirs alone. An ordinary user gets it with a user
// namespace. It also is the programs that hold sockets in the tests.
func TestMain(m *testing.M) {
	if p := os.Getenv(puppet); p != "" {
		puppetMain(p)
		os.Exit(0)
	}
	if os.Getenv(inside) == "" {
		os.Exit(again())
	}
	if err := makeAddresses(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// lan is an address of the namespace that is not loopback.
const lan = "10.213.7.1"

// makeAddresses sets lo up and makes a second interface.
func makeAddresses() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	if _, err := netlink.LinkByName("lan0"); err == nil {
		return nil // a fuzzing worker comes later into the same namespace
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "lan0"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "lan1"}); err != nil {
		return fmt.Errorf("make an interface: %w", err)
	}
	link, err := netlink.LinkByName("lan0")
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(lan + "/24")
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, addr); err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

func again() int {
	exe, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err = cmd.Run()
	var ex *exec.ExitError
	switch {
	case errors.As(err, &ex):
		return max(ex.ExitCode(), 1)
	case errors.Is(err, os.ErrPermission):
		fmt.Println("skipped: this user may not make a network namespace:", err)
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// puppetMain does what it is told, says "ready", and stays until its standard
// input ends.
func puppetMain(what string) {
	fail := func(err error) {
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	verb, arg, _ := strings.Cut(what, " ")
	var keep []any
	switch verb {
	case "listen", "share":
		fd, err := socketTo(arg, verb == "share")
		fail(err)
		fail(syscall.Listen(fd, 16))
	case "bind":
		_, err := socketTo(arg, false)
		fail(err)
	case "hold": // connect and stay connected
		c, err := net.Dial("tcp", arg)
		fail(err)
		keep = append(keep, c)
	}
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	_ = keep
}

// socketTo returns a TCP socket that is bound, with SO_REUSEPORT or not.
func socketTo(address string, share bool) (int, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	family, sa := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	if at.Addr().Is4() {
		family, sa = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if share {
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, 15, 1); err != nil { // SO_REUSEPORT
			return 0, err
		}
	}
	return fd, syscall.Bind(fd, sa)
}

// start starts a puppet and returns its process once it is ready.
func start(t *testing.T, what string, change ...func(*exec.Cmd)) *os.Process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), puppet+"="+what)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	b := make([]byte, 256)
	if n, _ := out.Read(b); string(b[:n]) != "ready\n" {
		t.Fatalf("puppet %s: %s", what, b[:n])
	}
	return cmd.Process
}

func listen(t *testing.T, network, address string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

// explained gathers, and returns the facts and the report on a text.
func explained(t *testing.T, text string, change ...func(*gather.Source)) (*facts.Facts, *render.Report) {
	t.Helper()
	in, err := input.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	src := gather.Source{Hosts: hostsFile(t, "127.0.0.1 localhost\n::1 localhost\n")}
	for _, c := range change {
		c(&src)
	}
	a, err := Explain(t.Context(), in, src)
	if err != nil {
		t.Fatal(err)
	}
	return a.Facts, a.Report
}

func hostsFile(t *testing.T, text string) string {
	t.Helper()
	name := t.TempDir() + "/hosts"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// cause returns the cause with a code, or ends the test.
func cause(t *testing.T, r *render.Report, code Code) model.Finding {
	t.Helper()
	for _, c := range r.Causes {
		if c.Code == code {
			if c.Summary == "" || len(c.Evidence) == 0 || c.Hint == "" {
				t.Errorf("%s lacks summary, evidence or hint: %+v", code, c)
			}
			return c
		}
	}
	t.Fatalf("no %s in %+v", code, r.Causes)
	return model.Finding{}
}

// only fails where a report has other causes than these, in this order.
func only(t *testing.T, r *render.Report, codes ...Code) {
	t.Helper()
	var got []Code
	for _, c := range r.Causes {
		got = append(got, c.Code)
	}
	if fmt.Sprint(got) != fmt.Sprint(codes) {
		t.Errorf("%s: causes %v, want %v\n%s", r.Input, got, codes, r.Answer)
	}
}

func sysctl(t *testing.T, name, value string) {
	t.Helper()
	path := "/proc/sys/net/ipv4/" + name
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.WriteFile(path, old, 0) })
}

func itoa(n int) string { return strconv.Itoa(n) }

// eventually looks again and again until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(waiting)
	defer end.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("not after %s: %s", waiting, what)
		}
	}
}
