package diag

import (
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
	"lodge/internal/sockets/holders"
)

func open(t testing.TB) *Conn {
	t.Helper()
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func listen(t testing.TB, network, address string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return netip.MustParseAddrPort(l.Addr().String())
}

func listenUDP(t testing.TB, network, address string) netip.AddrPort {
	t.Helper()
	l, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return netip.MustParseAddrPort(l.LocalAddr().String())
}

func TestLookup(t *testing.T) {
	c := open(t)
	exact := listen(t, "tcp4", "127.83.1.1:0")
	wild := listen(t, "tcp4", "0.0.0.0:0")
	dual := listen(t, "tcp", "[::]:0")
	six := listen(t, "tcp6", "[::1]:0")
	udp := listenUDP(t, "udp4", "127.83.1.1:0")
	udp6 := listenUDP(t, "udp6", "[::1]:0")
	home := netip.MustParseAddr("127.83.1.1")
	for _, test := range []struct {
		name  string
		proto loopback.Protocol
		ask   netip.AddrPort
		src   string // "" is not found
	}{
		{"exact", loopback.TCP, exact, exact.String()},
		{"mapped question", loopback.TCP, netip.AddrPortFrom(netip.MustParseAddr("::ffff:127.83.1.1"), exact.Port()), exact.String()},
		{"other address", loopback.TCP, netip.AddrPortFrom(netip.MustParseAddr("127.83.1.2"), exact.Port()), ""},
		{"wildcard", loopback.TCP, netip.AddrPortFrom(home, wild.Port()), wild.String()},
		{"dual stack by IPv4", loopback.TCP, netip.AddrPortFrom(home, dual.Port()), dual.String()},
		{"IPv6", loopback.TCP, six, six.String()},
		{"UDP", loopback.UDP, udp, udp.String()},
		{"UDP IPv6", loopback.UDP, udp6, udp6.String()},
		{"UDP other address", loopback.UDP, netip.AddrPortFrom(netip.MustParseAddr("127.83.1.2"), udp.Port()), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok, err := c.Lookup(test.proto, test.ask)
			if err != nil {
				t.Fatal(err)
			}
			if ok != (test.src != "") {
				t.Fatalf("Lookup(%v) = %+v, %v", test.ask, got, ok)
			}
			if ok && got.Src.String() != test.src {
				t.Errorf("Src = %v, want %v", got.Src, test.src)
			}
			if ok && got.Inode == 0 {
				t.Error("no inode")
			}
		})
	}
	if _, _, err := c.Lookup("sctp", exact); err == nil {
		t.Error("Lookup of sctp: no error")
	}
}

func TestLookupMappedListener(t *testing.T) {
	c := open(t)
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Skip("no IPv6:", err)
	}
	defer unix.Close(fd)
	mapped := netip.MustParseAddr("::ffff:127.83.1.3")
	if err := unix.Bind(fd, &unix.SockaddrInet6{Addr: mapped.As16()}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(sa.(*unix.SockaddrInet6).Port)
	got, ok, err := c.Lookup(loopback.TCP, netip.AddrPortFrom(mapped.Unmap(), port))
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if want := netip.AddrPortFrom(mapped, port); got.Src != want || got.Family != unix.AF_INET6 {
		t.Errorf("got %+v, want Src %v", got, want)
	}
	cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if err != nil {
		t.Fatal(err)
	}
	if got.Cookie != cookie {
		t.Errorf("cookie %d, want %d", got.Cookie, cookie)
	}
}

func TestLookupPair(t *testing.T) {
	c := open(t)
	l, err := net.Dial("udp4", listenUDP(t, "udp4", "127.83.1.1:0").String())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	local, remote := netip.MustParseAddrPort(l.LocalAddr().String()), netip.MustParseAddrPort(l.RemoteAddr().String())
	if _, ok, err := c.Lookup(loopback.UDP, local); ok || err != nil {
		t.Errorf("Lookup of a connected socket: %v, %v", ok, err)
	}
	got, ok, err := c.LookupPair(loopback.UDP, local, remote)
	if err != nil || !ok || got.Src != local || got.Dst != remote {
		t.Errorf("LookupPair: %+v, %v, %v", got, ok, err)
	}
}

func TestLookupAllocatesNothing(t *testing.T) {
	c := open(t)
	local := listen(t, "tcp4", "127.83.1.1:0")
	n := testing.AllocsPerRun(100, func() {
		if _, ok, err := c.Lookup(loopback.TCP, local); !ok || err != nil {
			t.Fatal(ok, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLookupFromSeveralGoroutines(t *testing.T) {
	c := open(t)
	var wg sync.WaitGroup
	for range 8 {
		local := listen(t, "tcp4", "127.83.1.1:0")
		wg.Go(func() {
			for range 200 {
				got, ok, err := c.Lookup(loopback.TCP, local)
				if err != nil || !ok || got.Src != local {
					t.Errorf("got %v, %v, %v, want %v", got.Src, ok, err, local)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestDump(t *testing.T) {
	want := map[netip.AddrPort]bool{}
	for range 600 { // more than fits one datagram
		want[listen(t, "tcp4", "127.83.1.1:0")] = true
	}
	list, err := Dump(loopback.TCP, unix.AF_INET, Listening)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := holders.ProcessSockets(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.State != StateListen || s.Family != unix.AF_INET {
			t.Errorf("not asked for: %+v", s)
		}
		if !want[s.Src] {
			continue
		}
		delete(want, s.Src)
		if s.UID != uint32(os.Getuid()) {
			t.Errorf("%v: uid %d", s.Src, s.UID)
		}
		if _, ok := mine[s.Inode]; !ok {
			t.Errorf("%v: inode %d is not ours", s.Src, s.Inode)
		}
	}
	if len(want) != 0 {
		t.Errorf("%d listeners missing", len(want))
	}
	six := listen(t, "tcp6", "[::1]:0")
	list, err = Dump(loopback.TCP, unix.AF_INET6, Listening)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range list {
		if s.Src == six {
			found = s.V6Only
		}
	}
	if !found {
		t.Error("[::1] listener missing or not V6ONLY")
	}
	udp := listenUDP(t, "udp4", "127.83.1.1:0")
	list, err = Dump(loopback.UDP, unix.AF_INET, UDPBound)
	if err != nil {
		t.Fatal(err)
	}
	found = false
	for _, s := range list {
		found = found || s.Src == udp
	}
	if !found {
		t.Error("UDP socket missing")
	}
	if _, err := Dump(loopback.TCP, unix.AF_UNIX, Listening); err == nil {
		t.Error("Dump of AF_UNIX: no error")
	}
	if _, err := Dump("sctp", unix.AF_INET, Listening); err == nil {
		t.Error("Dump of sctp: no error")
	}
}

func TestClosedConn(t *testing.T) {
	c, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error("second Close:", err)
	}
	if _, _, err := c.Lookup(loopback.TCP, netip.MustParseAddrPort("127.0.0.1:1")); err == nil {
		t.Error("Lookup after Close: no error")
	}
}

func BenchmarkLookup(b *testing.B) {
	c := open(b)
	local := listen(b, "tcp4", "127.83.1.1:0")
	for b.Loop() {
		if _, ok, err := c.Lookup(loopback.TCP, local); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
