package ebpfhome

import (
	"fmt"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

var both = [...]loopback.Isolation{loopback.Overlay, loopback.Strict}

// A program inside that makes a network namespace of its own (unshare -rn,
// bubblewrap, rootless podman) has another localhost, which is left alone.
func TestForeignNetns(t *testing.T) {
	c := spawn(t)
	for _, isolation := range both {
		h := newHome(t, c, isolation)
		before := puppetIn(t, h, "web")
		before.mustServe("tcp4", "127.0.0.1:24700")
		p := puppetIn(t, h, "web")
		p.ok(order{Op: "unshare"})
		for i, tc := range []struct{ network, bind, shown, connect string }{
			{"tcp4", "0.0.0.0", "0.0.0.0", "127.0.0.1"},
			{"tcp4", "127.0.0.1", "127.0.0.1", "127.0.0.1"},
			{"tcp6", "[::]", "[::]", "[::1]"},
			{"tcp6only", "[::1]", "[::1]", "[::1]"},
			{"tcp4", "127.0.0.2", "127.0.0.2", "127.0.0.2"},
			{"udp4", "0.0.0.0", "0.0.0.0", "127.0.0.1"},
			{"udp6", "[::1]", "[::1]", "[::1]"},
		} {
			port := 24701 + i
			family, typ := familyOf(tc.network)
			fd := p.mustServe(tc.network, fmt.Sprintf("%s:%d", tc.bind, port))
			if got, want := p.sockname(fd), fmt.Sprintf("%s:%d", tc.shown, port); got != want {
				t.Errorf("%s: %s %s: getsockname %s, want %s", isolation, tc.network, tc.bind, got, want)
			}
			client := p.socket(family, typ)
			to := fmt.Sprintf("%s:%d", tc.connect, port)
			if r := p.connect(client, family, to); r.Err != "" {
				t.Errorf("%s: %s: connect %s: %s", isolation, tc.network, to, r.Err)
				continue
			}
			p.ok(order{Op: "send", FD: client, Data: "x"})
			if got := p.peername(client); got != to {
				t.Errorf("%s: %s: getpeername %s, want %s", isolation, tc.network, got, to)
			}
			got := fd
			if typ == unix.SOCK_STREAM {
				got = p.ok(order{Op: "accept", FD: fd}).FD
			}
			if r := p.ok(order{Op: "recv", FD: got}); r.Data != "x" {
				t.Errorf("%s: %s: read %q", isolation, tc.network, r.Data)
			}
		}
		// Without a bind it listens on all interfaces of that namespace.
		fd := p.socket(unix.AF_INET, unix.SOCK_STREAM)
		p.ok(order{Op: "listen", FD: fd})
		if r := p.ok(order{Op: "getdevice", FD: fd}); r.Data != "" {
			t.Errorf("%s: a listener of another namespace is on device %q", isolation, r.Data)
		}
		if r := p.connect(p.socket(unix.AF_INET, unix.SOCK_STREAM), unix.AF_INET, "127.0.0.1:24700"); r.Err != "ECONNREFUSED" {
			t.Errorf("%s: the home's port from another namespace: %q, want ECONNREFUSED", isolation, r.Err)
		}
		// The home itself is as it was.
		if r := before.connect(before.socket(unix.AF_INET, unix.SOCK_STREAM), unix.AF_INET, "127.0.0.1:24700"); r.Err != "" {
			t.Errorf("%s: the home's port inside: %s", isolation, r.Err)
		}
	}
}

// A strict home has no loopback address of the machine but its own.
func TestOtherLoopbackAddresses(t *testing.T) {
	needRoot(t)
	machine := outside(t)
	ns := machine.leaveNetns()
	c := spawnIn(t, ns)
	other := newHome(t, c, loopback.Overlay)
	neighbour := puppetIn(t, other, "web")
	neighbour.ok(order{Op: "setns", Data: ns})
	neighbour.mustServe("tcp4", "0.0.0.0:24800")
	neighbour.mustServe("tcp6only", "[::]:24800")
	machine.mustServe("tcp4", "127.0.0.2:24800")
	machine.mustServe("udp4", "127.0.0.2:24800")
	machine.mustServe("tcp4", "127.0.0.53:53")
	for _, isolation := range both {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		p.ok(order{Op: "setns", Data: ns})
		own := p.mustServe("tcp4", "127.0.0.3:24802")
		p.mustServe("tcp4", "127.0.0.1:24801")
		for _, tc := range []struct {
			network, to string
			open        bool // in a strict home, too
		}{
			{"tcp4", "127.0.0.2:24800", false},
			{"tcp6", "[::ffff:127.0.0.2]:24800", false},
			{"udp4", "127.0.0.2:24800", false},
			{"tcp4", other.spec.IP4.String() + ":24800", false},
			{"tcp6", "[" + other.spec.IP6.String() + "]:24800", false},
			{"tcp4", "127.0.0.3:24802", true},
			{"tcp4", "127.0.0.53:53", true},
			{"tcp4", h.spec.IP4.String() + ":24801", true},
		} {
			want := ""
			if isolation == loopback.Strict && !tc.open {
				want = "ECONNREFUSED"
			}
			family, typ := familyOf(tc.network)
			if r := p.connect(p.socket(family, typ), family, tc.to); r.Err != want {
				t.Errorf("%s: %s %s: connect %q, want %q", isolation, tc.network, tc.to, r.Err, want)
			}
			if typ == unix.SOCK_DGRAM {
				r := p.do(order{Op: "sendto", FD: p.socket(family, typ), Family: family, Addr: netip.MustParseAddrPort(tc.to), Data: "x"})
				if r.Err != want {
					t.Errorf("%s: %s %s: sendto %q, want %q", isolation, tc.network, tc.to, r.Err, want)
				}
			}
		}
		p.close(own)
	}
}

// A UDP-Lite server is the home's. A strict home, which could not keep its
// connects inside, has none.
func TestUDPLite(t *testing.T) {
	c := spawn(t)
	if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE); err != nil {
		t.Skip("no UDP-Lite in this kernel: ", err)
	} else {
		must(t, unix.Close(fd))
	}
	strict := puppetIn(t, newHome(t, c, loopback.Strict), "web")
	if r := strict.do(order{Op: "socket", Family: unix.AF_INET, Type: unix.SOCK_DGRAM, Proto: unix.IPPROTO_UDPLITE}); r.Err != "EPROTONOSUPPORT" {
		t.Errorf("strict: socket: %q, want EPROTONOSUPPORT", r.Err)
	}
	h := newHome(t, c, loopback.Overlay)
	p, out := puppetIn(t, h, "web"), outside(t)
	lite := func(p *puppet, family int) int {
		t.Helper()
		return p.ok(order{Op: "socket", Family: family, Type: unix.SOCK_DGRAM, Proto: unix.IPPROTO_UDPLITE}).FD
	}
	for i, tc := range []struct {
		family int
		bind   string
		only   bool
		home   netip.Addr
		to     string
	}{
		{unix.AF_INET, "0.0.0.0", false, h.spec.IP4, "127.0.0.1"},
		{unix.AF_INET6, "[::]", false, h.spec.IP4, ""},
		{unix.AF_INET6, "[::]", true, h.spec.IP6, "[::1]"},
		{unix.AF_INET6, "[::1]", false, h.spec.IP6, "[::1]"},
	} {
		port := 24900 + i
		fd := lite(p, tc.family)
		if tc.only {
			p.ok(order{Op: "set", FD: fd, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
		}
		if r := p.bind(fd, tc.family, fmt.Sprintf("%s:%d", tc.bind, port)); r.Err != "" {
			t.Errorf("bind %s: %s", tc.bind, r.Err)
			continue
		}
		family := unix.AF_INET
		if tc.home.Is6() {
			family = unix.AF_INET6
		}
		ofd := lite(out, family)
		at := netip.AddrPortFrom(tc.home, uint16(port))
		out.ok(order{Op: "sendto", FD: ofd, Family: family, Addr: at, Data: "out"})
		if r := p.ok(order{Op: "recv", FD: fd}); r.Data != "out" {
			t.Errorf("%s: by the home's address: %q", tc.bind, r.Data)
		}
		if tc.to != "" {
			p.ok(order{Op: "sendto", FD: lite(p, tc.family), Family: tc.family, Addr: netip.MustParseAddrPort(fmt.Sprintf("%s:%d", tc.to, port)), Data: "in"})
			if r := p.ok(order{Op: "recv", FD: fd}); r.Data != "in" {
				t.Errorf("%s: inside: %q", tc.bind, r.Data)
			}
		}
	}
}

// bind(2) takes AF_UNSPEC with the address 0.0.0.0 and no other (ip(7)).
func TestBindUnspec(t *testing.T) {
	c := spawn(t)
	for n, isolation := range both {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		for i, network := range []string{"tcp4", "udp4"} {
			family, typ := familyOf(network)
			port := uint16(25100 + 10*n + i) // on all addresses of lo
			fd := p.socket(family, typ)
			p.ok(order{Op: "bindunspec", FD: fd, Addr: netip.AddrPortFrom(netip.IPv4Unspecified(), port)})
			to := fmt.Sprintf("127.0.0.1:%d", port)
			if typ == unix.SOCK_STREAM {
				p.ok(order{Op: "listen", FD: fd})
				if e, ok := h.endpoint(t, loopback.TCP, port); !ok || e.IP != h.spec.IP4 {
					t.Errorf("%s: endpoint %v", isolation, e)
				}
			}
			if r := p.ok(order{Op: "getdevice", FD: fd}); r.Data != "lo" {
				t.Errorf("%s: %s is on device %q, want lo", isolation, network, r.Data)
			}
			client := p.socket(family, typ)
			if r := p.connect(client, family, to); r.Err != "" {
				t.Errorf("%s: %s: connect: %s", isolation, network, r.Err)
				continue
			}
			p.ok(order{Op: "send", FD: client, Data: "x"})
			got := fd
			if typ == unix.SOCK_STREAM {
				got = p.ok(order{Op: "accept", FD: fd}).FD
			}
			if r := p.ok(order{Op: "recv", FD: got}); r.Data != "x" {
				t.Errorf("%s: %s: read %q", isolation, network, r.Data)
			}
			r := p.do(order{Op: "bindunspec", FD: p.socket(family, typ), Addr: netip.MustParseAddrPort("127.0.0.1:25150")})
			if r.Err != "EAFNOSUPPORT" {
				t.Errorf("%s: %s: AF_UNSPEC with 127.0.0.1: %q, want EAFNOSUPPORT", isolation, network, r.Err)
			}
			p.close(fd)
		}
	}
}

// A connect that a strict home refuses ends as the kernel's own does.
func TestRefusedAsByTheKernel(t *testing.T) {
	c := spawn(t)
	p := puppetIn(t, newHome(t, c, loopback.Strict), "web")
	for _, tc := range []struct{ network, to string }{{"tcp4", "127.0.0.1:25200"}, {"tcp6", "[::1]:25200"}, {"tcp6only", "[::1]:25200"}} {
		family, _ := familyOf(tc.network)
		fd := p.ok(order{Op: "socket", Family: family, Type: unix.SOCK_STREAM | unix.SOCK_NONBLOCK}).FD
		if tc.network == "tcp6only" {
			p.ok(order{Op: "set", FD: fd, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
		}
		if r := p.connect(fd, family, tc.to); r.Err != "EINPROGRESS" {
			t.Errorf("%s: connect: %q, want EINPROGRESS", tc.network, r.Err)
		}
		if r := p.connect(fd, family, tc.to); r.Err != "ECONNREFUSED" {
			t.Errorf("%s: second connect: %q, want ECONNREFUSED", tc.network, r.Err)
		}
	}
}
