package route

import (
	"net"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/table"
	"lodge/internal/loopback"
)

// home is the address of the tests' home. It has no other meaning to the machine.
var home = netip.MustParseAddr("127.99.7.1")

func newRouter(t *testing.T, strict bool) *Router {
	t.Helper()
	kernel, err := table.OpenKernel()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kernel.Close() })
	return &Router{
		IP4: home, Strict: strict, UID: os.Geteuid(), Kernel: kernel,
		Memory: table.NewMemory(kernel), Owners: table.NewOwners(kernel), Six: new(table.SixPorts), Gone: func() {},
	}
}

func newSocket(t *testing.T, domain, typ int) *socket.Socket {
	t.Helper()
	fd, err := unix.Socket(domain, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip(err)
	}
	s, ours, err := socket.Inspect(fd, 0)
	if err != nil || !ours {
		t.Fatal(ours, err)
	}
	t.Cleanup(s.Close)
	return &s
}

// listening listens in the home, and returns the port.
func listening(t *testing.T) uint16 {
	t.Helper()
	ln, err := net.Listen("tcp4", netip.AddrPortFrom(home, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return netip.MustParseAddrPort(ln.Addr().String()).Port()
}

func at(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

// TestConnect: where a connect of a TCP socket leads.
func TestConnect(t *testing.T) {
	up := listening(t)
	const closed = 1 // no test of this machine listens there
	for _, c := range []struct {
		name   string
		strict bool
		domain int
		asked  netip.AddrPort
		want   Action
		to     netip.AddrPort
	}{
		{"a server inside", false, unix.AF_INET, at("127.0.0.1", up), Lead, netip.AddrPortFrom(home, up)},
		{"a server inside, by ::1", false, unix.AF_INET6, at("::1", up), Lead, netip.AddrPortFrom(home, up)},
		{"a server inside, strict", true, unix.AF_INET, at("127.0.0.1", up), Lead, netip.AddrPortFrom(home, up)},
		{"none inside, overlay", false, unix.AF_INET, at("127.0.0.1", closed), AsIs, netip.AddrPort{}},
		{"none inside, strict", true, unix.AF_INET, at("127.0.0.1", closed), Lead, netip.AddrPortFrom(home, 0)},
		{"another loopback address, overlay", false, unix.AF_INET, at("127.1.2.3", up), AsIs, netip.AddrPort{}},
		{"another loopback address, strict", true, unix.AF_INET, at("127.1.2.3", up), Divert, netip.AddrPortFrom(home, 0)},
		{"the resolver, strict", true, unix.AF_INET, at("127.0.0.53", 53), AsIs, netip.AddrPort{}},
		{"the home itself, strict", true, unix.AF_INET, netip.AddrPortFrom(home, up), AsIs, netip.AddrPort{}},
		{"another machine", true, unix.AF_INET, at("192.0.2.1", 80), Leave, netip.AddrPort{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRouter(t, c.strict)
			got := r.Connect(newSocket(t, c.domain, unix.SOCK_STREAM), c.asked)
			if got.Do != c.want || got.To != c.to || got.Errno != 0 {
				t.Errorf("%+v, want %v to %v", got, c.want, c.to)
			}
		})
	}
}

// TestDatagram: where a datagram leads.
func TestDatagram(t *testing.T) {
	c, err := net.ListenPacket("udp4", netip.AddrPortFrom(home, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	up := netip.MustParseAddrPort(c.LocalAddr().String()).Port()
	for _, c := range []struct {
		name   string
		strict bool
		asked  netip.AddrPort
		want   Verdict
	}{
		{"a server inside", false, at("127.0.0.1", up), Verdict{Do: Lead, To: netip.AddrPortFrom(home, up), From: at("0.0.0.0", 0)}},
		{"another loopback address, strict", true, at("127.1.2.3", up), Verdict{Do: Refuse, Errno: unix.ECONNREFUSED}},
		{"another machine", true, at("192.0.2.1", 53), Verdict{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := newRouter(t, c.strict).Datagram(newSocket(t, unix.AF_INET, unix.SOCK_DGRAM), c.asked); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// TestGone: a service's server that is looked for in vain is told of.
func TestGone(t *testing.T) {
	r := newRouter(t, false)
	told := 0
	r.Gone = func() { told++ }
	ask := func() {
		if _, found, err := r.Resolve(loopback.TCP, at("127.0.0.1", 1), netip.AddrPort{}); found || err != nil {
			t.Fatal(found, err)
		}
	}
	ask()
	r.Owners.Add(table.Address{Proto: loopback.TCP, At: netip.AddrPortFrom(home, 1)}, newSocket(t, unix.AF_INET, unix.SOCK_STREAM), "web")
	ask()
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}

// TestShown: what a program is shown for the addresses that the kernel has.
func TestShown(t *testing.T) {
	r := newRouter(t, false)
	four, six := newSocket(t, unix.AF_INET, unix.SOCK_STREAM), newSocket(t, unix.AF_INET6, unix.SOCK_STREAM)
	mapped := func(ip string, port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom16(netip.MustParseAddr(ip).As16()), port)
	}
	r.Six.Put(table.Port{Proto: loopback.TCP, Port: 3000}, six, 41000, "web")
	for _, c := range []struct {
		s          *socket.Socket
		seen, want netip.AddrPort
	}{
		{four, netip.AddrPortFrom(home, 80), at("127.0.0.1", 80)},
		{four, at("192.0.2.1", 80), at("192.0.2.1", 80)},
		{six, mapped(home.String(), 80), mapped("127.0.0.1", 80)},
		{six, at("::1", 41000), at("::1", 3000)},
		{six, at("::1", 41001), at("::1", 41001)},
	} {
		if got := r.Shown(c.s, c.seen); got != c.want {
			t.Errorf("%v is shown as %v, want %v", c.seen, got, c.want)
		}
	}
	r.Memory.Remember(six, at("::", 80))
	if got := r.Shown(six, mapped(home.String(), 80)); got != at("::1", 80) {
		t.Errorf("a socket that asked for an IPv6 address is shown %v", got)
	}
	if !r.IsHere(loopback.TCP, at("::1", 41000)) || r.IsHere(loopback.TCP, at("::1", 41001)) || !r.IsHere(loopback.TCP, netip.AddrPortFrom(home, 1)) {
		t.Error("what is in the home")
	}
}

// TestConnectAllocatesNothing: the decision is on the path of every connect.
func TestConnectAllocatesNothing(t *testing.T) {
	r := newRouter(t, true)
	s := newSocket(t, unix.AF_INET, unix.SOCK_STREAM)
	asked := at("127.0.0.1", listening(t))
	if v := r.Connect(s, asked); v.Do != Lead {
		t.Fatalf("%+v", v)
	}
	if n := testing.AllocsPerRun(100, func() { r.Connect(s, asked) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
