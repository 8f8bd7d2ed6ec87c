package ebpfhome

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

// endpoint waits until the home has the endpoint, or has it no more.
func (h *testHome) endpoint(t *testing.T, proto loopback.Protocol, port uint16) (loopback.Endpoint, bool) {
	t.Helper()
	all, err := h.Endpoints()
	must(t, err)
	i := slices.IndexFunc(all, func(e loopback.Endpoint) bool { return e.Protocol == proto && e.Port == port })
	if i < 0 {
		return loopback.Endpoint{}, false
	}
	return all[i], true
}

func TestBindGoesToTheHome(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	p := puppetIn(t, h, "web")
	mapped, six := h.spec.IP4.String(), "["+h.spec.IP6.String()+"]"
	for i, tc := range []struct{ network, ip, want, shown string }{
		{"tcp4", "127.0.0.1", mapped, "127.0.0.1"},
		{"tcp4", "0.0.0.0", mapped, "127.0.0.1"},
		{"tcp6", "[::1]", mapped, "[::1]"},
		{"tcp6", "[::]", mapped, "[::1]"},
		{"tcp6", "[::ffff:127.0.0.1]", mapped, "[::ffff:127.0.0.1]"},
		{"tcp6", "[::ffff:0.0.0.0]", mapped, "[::ffff:127.0.0.1]"},
		{"tcp6only", "[::1]", six, "[::1]"},
		{"tcp6only", "[::]", six, "[::1]"},
		{"udp4", "127.0.0.1", mapped, "127.0.0.1"},
		{"udp4", "0.0.0.0", mapped, "127.0.0.1"},
		{"udp6", "[::1]", six, "[::1]"},
		{"udp6", "[::]", mapped, "[::1]"},
		{"udp6", "[::ffff:127.0.0.1]", mapped, "[::ffff:127.0.0.1]"},
		{"udp6only", "[::1]", six, "[::1]"},
		{"udp6only", "[::]", six, "[::1]"},
		{"tcp4", "127.0.0.2", "", "127.0.0.2"},
		{"udp4", "127.0.0.2", "", "127.0.0.2"},
	} {
		t.Run(tc.network+" "+tc.ip, func(t *testing.T) {
			port := uint16(24000 + i)
			fd := p.mustServe(tc.network, fmt.Sprintf("%s:%d", tc.ip, port))
			defer p.close(fd)
			if got, want := p.sockname(fd), fmt.Sprintf("%s:%d", tc.shown, port); got != want {
				t.Errorf("getsockname: %s, want %s", got, want)
			}
			proto := loopback.Protocol(tc.network[:3])
			e, ok := h.endpoint(t, proto, port)
			if tc.want == "" {
				if ok {
					t.Errorf("endpoint %s: an untouched address is not the home's", e)
				}
				return
			}
			if want := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", tc.want, port)); !ok || e.AddrPort() != want {
				t.Errorf("endpoint %v, want %s", e, want)
			}
			if e.Service != "web" {
				t.Errorf("endpoint of service %q, want web", e.Service)
			}
		})
	}
}

func TestBindPortZero(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Strict)
	p := puppetIn(t, h, "web")
	for _, tc := range []struct{ network, ip string }{
		{"tcp4", "0.0.0.0"}, {"tcp4", "127.0.0.1"}, {"tcp6", "[::]"}, {"tcp6only", "[::1]"}, {"udp4", "127.0.0.1"}, {"udp6", "[::1]"},
	} {
		fd := p.mustServe(tc.network, tc.ip+":0")
		port := netip.MustParseAddrPort(p.sockname(fd)).Port()
		if e, ok := h.endpoint(t, loopback.Protocol(tc.network[:3]), port); port == 0 || !ok {
			t.Errorf("%s %s:0: port %d, endpoint %v", tc.network, tc.ip, port, e)
		}
		p.close(fd)
	}
}

// A UDP socket bound to all addresses and no port is a client's: musl's
// resolver, dig and QUIC do that, and must reach the network. To the home it
// is one of the home's.
func TestWildcardUDPClient(t *testing.T) {
	c := spawn(t)
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		s := p.mustServe("udp4", "127.0.0.1:24100")
		fd := p.mustServe("udp4", "0.0.0.0:0")
		to := netip.MustParseAddrPort("127.0.0.1:24100")
		p.ok(order{Op: "sendto", FD: fd, Family: unix.AF_INET, Addr: to, Data: "hello"})
		from := p.ok(order{Op: "recv", FD: s}).Addr
		if from.Addr() != netip.MustParseAddr("127.0.0.1") {
			t.Errorf("sender %s", from)
		}
		p.ok(order{Op: "sendto", FD: s, Family: unix.AF_INET, Addr: from, Data: "world"})
		if got := p.ok(order{Op: "recv", FD: fd}).Addr; got != to {
			t.Errorf("reply from %s, want %s", got, to)
		}
		if got := p.sockname(fd); got != fmt.Sprintf("0.0.0.0:%d", from.Port()) {
			t.Errorf("getsockname %s", got)
		}
	}
}

func TestLowPortAsOrdinaryUser(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	p := puppetIn(t, h, "web")
	p.ok(order{Op: "setuid", Value: 65534})
	for i, tc := range []struct{ network, ip string }{
		{"tcp4", "0.0.0.0"}, {"tcp6", "[::]"}, {"tcp6only", "[::1]"}, {"udp4", "127.0.0.1"}, {"udp6", "[::1]"},
	} {
		fd, errno := p.server(tc.network, fmt.Sprintf("%s:%d", tc.ip, 81+i))
		if errno != "" {
			t.Errorf("%s %s:%d: %s", tc.network, tc.ip, 81+i, errno)
			continue
		}
		p.close(fd)
	}
	if _, errno := p.server("tcp4", "127.0.0.2:80"); errno != "EACCES" {
		t.Errorf("another address, port 80: %q, want EACCES", errno)
	}
	out := outside(t)
	out.ok(order{Op: "setuid", Value: 65534})
	if _, errno := out.server("tcp4", h.spec.IP4.String()+":80"); errno != "EACCES" {
		t.Errorf("from outside: %q, want EACCES", errno)
	}
}

func TestTwoHomesOnePort(t *testing.T) {
	c := spawn(t)
	ends := []string{"one", "two"}
	for _, network := range []string{"tcp4", "tcp6", "tcp6only", "udp4", "udp6", "udp6only"} {
		t.Run(network, func(t *testing.T) {
			ip := "127.0.0.1"
			family, typ := familyOf(network)
			if family == unix.AF_INET6 {
				ip = "[::1]"
			}
			var puppets [2]*puppet
			var servers [2]int
			for i := range puppets {
				puppets[i] = puppetIn(t, newHome(t, c, loopback.Overlay), "web")
				servers[i] = puppets[i].mustServe(network, ip+":24200")
			}
			for i, p := range puppets {
				fd := p.socket(family, typ)
				if r := p.connect(fd, family, ip+":24200"); r.Err != "" {
					t.Fatalf("home %s: connect: %s", ends[i], r.Err)
				}
				p.ok(order{Op: "send", FD: fd, Data: ends[i]})
				got := servers[i]
				if typ == unix.SOCK_STREAM {
					got = p.ok(order{Op: "accept", FD: servers[i]}).FD
				}
				if r := p.ok(order{Op: "recv", FD: got}); r.Data != ends[i] {
					t.Errorf("home %s reads %q", ends[i], r.Data)
				}
			}
		})
	}
}

// The machine's own servers: overlay reaches them, strict does not.
func TestMachinesLocalhost(t *testing.T) {
	needRoot(t)
	// In a network namespace, so that nobody else's server is in the way.
	machine := outside(t)
	ns := machine.leaveNetns()
	c := spawnIn(t, ns)
	i := 0
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		p.ok(order{Op: "setns", Data: ns})
		for _, tc := range []struct{ server, ip, client, to string }{
			{"tcp4", "127.0.0.1", "tcp4", "127.0.0.1"},
			{"tcp4", "0.0.0.0", "tcp4", "127.0.0.1"},
			{"tcp4", "0.0.0.0", "tcp4", "0.0.0.0"},
			{"tcp4", "0.0.0.0", "tcp6", "[::ffff:127.0.0.1]"},
			{"tcp6", "[::1]", "tcp6", "[::1]"},
			{"tcp6", "[::]", "tcp6", "[::1]"},
			{"tcp6", "[::]", "tcp4", "127.0.0.1"},
			{"tcp6only", "[::]", "tcp6", "[::1]"},
			{"udp4", "127.0.0.1", "udp4", "127.0.0.1"},
			{"udp4", "0.0.0.0", "udp4", "127.0.0.1"},
			{"udp6", "[::1]", "udp6", "[::1]"},
			{"udp6", "[::]", "udp6", "[::1]"},
			{"udp6", "[::]", "udp4", "127.0.0.1"},
		} {
			for _, connected := range []bool{true, false} {
				i++
				family, typ := familyOf(tc.client)
				if typ == unix.SOCK_STREAM && !connected {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s %s/%s %s/connected=%v", isolation, tc.server, tc.ip, tc.client, tc.to, connected), func(t *testing.T) {
					port := 24300 + i
					s := machine.mustServe(tc.server, fmt.Sprintf("%s:%d", tc.ip, port))
					defer machine.close(s)
					fd := p.socket(family, typ)
					defer p.close(fd)
					to := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", tc.to, port))
					var r result
					if connected {
						r = p.do(order{Op: "connect", FD: fd, Family: family, Addr: to})
						if r.Err == "" {
							r = p.do(order{Op: "send", FD: fd, Data: "x"})
						}
					} else {
						r = p.do(order{Op: "sendto", FD: fd, Family: family, Addr: to, Data: "x"})
					}
					got := s
					if typ == unix.SOCK_STREAM && r.Err == "" {
						got = machine.ok(order{Op: "accept", FD: s}).FD
					}
					read := result{Err: "none"}
					if r.Err == "" {
						read = machine.do(order{Op: "recvnow", FD: got})
					}
					reached := r.Err == "" && read.Data == "x"
					if reached != (isolation == loopback.Overlay) {
						t.Errorf("reached: %v; client %q, server %q", reached, r.Err, read.Err)
					}
				})
			}
		}
		// What is nobody's is refused in both.
		for _, network := range []string{"tcp4", "tcp6"} {
			family, typ := familyOf(network)
			ip := map[string]string{"tcp4": "127.0.0.1", "tcp6": "[::1]"}[network]
			if r := p.connect(p.socket(family, typ), family, ip+":24299"); r.Err != "ECONNREFUSED" {
				t.Errorf("%s: nobody there: %q, want ECONNREFUSED", network, r.Err)
			}
		}
	}
}

// An outside client reaches the home by its address, and is answered.
func TestOutsideClient(t *testing.T) {
	c := spawn(t)
	out := outside(t)
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		six := "[" + h.spec.IP6.String() + "]"
		for i, tc := range []struct{ server, ip, client, to string }{
			{"udp4", "0.0.0.0", "udp4", h.spec.IP4.String()},
			{"udp6", "[::]", "udp4", h.spec.IP4.String()},
			{"udp6", "[::1]", "udp6", six},
		} {
			port := 24400 + i
			s := p.mustServe(tc.server, fmt.Sprintf("%s:%d", tc.ip, port))
			family, typ := familyOf(tc.client)
			sfamily, _ := familyOf(tc.server)
			fd := out.socket(family, typ)
			to := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", tc.to, port))
			out.ok(order{Op: "sendto", FD: fd, Family: family, Addr: to, Data: "hello"})
			from := p.ok(order{Op: "recv", FD: s}).Addr
			if r := p.do(order{Op: "sendto", FD: s, Family: sfamily, Addr: from, Data: "world"}); r.Err != "" {
				t.Errorf("%s: %s: answer to %s: %s", isolation, tc.server, from, r.Err)
				continue
			}
			if r := out.ok(order{Op: "recv", FD: fd}); r.Data != "world" || r.Addr != to {
				t.Errorf("%s: %s: answer %q from %s", isolation, tc.server, r.Data, r.Addr)
			}
			p.close(s)
			out.close(fd)
		}
	}
}

// 127.0.0.1 and ::1 with one port, as servers on "localhost" often do.
func TestBothLocalhosts(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Strict)
	p := puppetIn(t, h, "web")
	p.mustServe("tcp4", "127.0.0.1:24500")
	p.mustServe("tcp6", "[::1]:24500")
	p.mustServe("tcp4", "0.0.0.0:24501")
	p.mustServe("tcp6only", "[::]:24501")
	p.mustServe("tcp6only", "[::]:24502")
	p.mustServe("tcp4", "0.0.0.0:24502")
	p.mustServe("udp4", "127.0.0.1:24503")
	p.mustServe("udp6", "[::1]:24503")
}

// A client that binds before it connects.
func TestBoundClient(t *testing.T) {
	needRoot(t)
	machine := outside(t)
	ns := machine.leaveNetns()
	c := spawnIn(t, ns)
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		p.ok(order{Op: "setns", Data: ns})
		inside4 := p.mustServe("tcp4", "0.0.0.0:24600")
		inside6 := p.mustServe("tcp6", "[::]:24601")
		machine4 := machine.mustServe("tcp6", "[::]:24602")
		for _, tc := range []struct {
			network, from, to string
			overlay, strict   string
		}{
			{"tcp4", "127.0.0.1:0", "127.0.0.1:24600", "", ""},
			{"tcp4", "0.0.0.0:0", "127.0.0.1:24601", "", ""},
			{"tcp6", "[::]:0", "[::1]:24601", "", ""},
			{"tcp6", "[::]:0", "[::ffff:127.0.0.1]:24600", "", ""},
			{"tcp6", "[::ffff:127.0.0.1]:0", "[::ffff:127.0.0.1]:24601", "", ""},
			{"tcp4", "0.0.0.0:0", "127.0.0.1:24602", "", "ECONNREFUSED"},
			{"tcp6", "[::]:0", "[::1]:24602", "", "ECONNREFUSED"},
			{"tcp6", "[::ffff:0.0.0.0]:0", "[::ffff:127.0.0.1]:24602", "", "ECONNREFUSED"},
		} {
			want := tc.overlay
			if isolation == loopback.Strict {
				want = tc.strict
			}
			family, typ := familyOf(tc.network)
			fd := p.socket(family, typ)
			if r := p.bind(fd, family, tc.from); r.Err != "" {
				t.Fatalf("bind %s: %s", tc.from, r.Err)
			}
			r := p.connect(fd, family, tc.to)
			if r.Err != want {
				t.Errorf("%s: bound to %s, connect %s: %q, want %q", isolation, tc.from, tc.to, r.Err, want)
			}
			if r.Err == "" {
				if got := p.peername(fd); got != tc.to {
					t.Errorf("%s: bound to %s: getpeername %s, want %s", isolation, tc.from, got, tc.to)
				}
			}
			p.close(fd)
		}
		p.close(inside4)
		p.close(inside6)
		machine.close(machine4)
	}
}

var _ home.Inside = (*inside)(nil)
