package ebpfhome

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// What a program sees inside a home is compared with what the same program
// sees on a machine where it is alone: a network namespace without any home.

var serverForms = []struct{ network, ip string }{
	{"tcp4", "127.0.0.1"},
	{"tcp4", "0.0.0.0"},
	{"tcp6", "[::1]"},
	{"tcp6", "[::]"},
	{"tcp6", "[::ffff:127.0.0.1]"},
	{"tcp6", "[::ffff:0.0.0.0]"},
	{"tcp6only", "[::1]"},
	{"tcp6only", "[::]"},
}

var clientForms = []struct{ network, ip string }{
	{"tcp4", "127.0.0.1"},
	{"tcp4", "0.0.0.0"},
	{"tcp6", "[::1]"},
	{"tcp6", "[::]"},
	{"tcp6", "[::ffff:127.0.0.1]"},
	{"tcp6", "[::ffff:0.0.0.0]"},
	{"tcp6only", "[::1]"},
}

// tcpTalk makes a server and a client in p and tells all that they see.
func tcpTalk(p *puppet, serverNet, serverIP, clientNet, clientIP string, port int) string {
	p.t.Helper()
	l, errno := p.server(serverNet, fmt.Sprintf("%s:%d", serverIP, port))
	if errno != "" {
		return "bind: " + errno
	}
	defer p.close(l)
	seen := []string{"listens " + p.sockname(l)}
	family, typ := familyOf(clientNet)
	c := p.socket(family, typ)
	defer p.close(c)
	if clientNet == "tcp6only" {
		p.ok(order{Op: "set", FD: c, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
	}
	if r := p.connect(c, family, fmt.Sprintf("%s:%d", clientIP, port)); r.Err != "" {
		return strings.Join(append(seen, "connect: "+r.Err), "\n")
	}
	a := p.ok(order{Op: "accept", FD: l})
	defer p.close(a.FD)
	ephemeral := netip.MustParseAddrPort(p.sockname(c)).Port()
	seen = append(seen,
		"client is "+p.sockname(c), "client sees "+p.peername(c),
		"accept gives "+a.Addr.String(),
		"server is "+p.sockname(a.FD), "server sees "+p.peername(a.FD))
	p.ok(order{Op: "send", FD: c, Data: "hello"})
	seen = append(seen, "server reads "+p.ok(order{Op: "recv", FD: a.FD}).Data)
	p.ok(order{Op: "send", FD: a.FD, Data: "world"})
	seen = append(seen, "client reads "+p.ok(order{Op: "recv", FD: c}).Data)
	return strings.ReplaceAll(strings.Join(seen, "\n"), fmt.Sprintf(":%d", ephemeral), ":E")
}

// udpTalk is the same for datagrams; connected reports whether the client
// connects its socket.
func udpTalk(p *puppet, serverNet, serverIP, clientNet, clientIP string, port int, connected bool) string {
	p.t.Helper()
	s, errno := p.server(serverNet, fmt.Sprintf("%s:%d", serverIP, port))
	if errno != "" {
		return "bind: " + errno
	}
	defer p.close(s)
	family, typ := familyOf(clientNet)
	c := p.socket(family, typ)
	defer p.close(c)
	if clientNet == "udp6only" {
		p.ok(order{Op: "set", FD: c, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
	}
	seen := append([]string{"bound " + p.sockname(s)}, datagrams(p, s, c, serverNet, clientNet, clientIP, port, connected)...)
	ephemeral := netip.MustParseAddrPort(p.sockname(c)).Port()
	return strings.ReplaceAll(strings.Join(seen, "\n"), fmt.Sprintf(":%d", ephemeral), ":E")
}

func datagrams(p *puppet, s, c int, serverNet, clientNet, clientIP string, port int, connected bool) (seen []string) {
	p.t.Helper()
	family, _ := familyOf(clientNet)
	sfamily, _ := familyOf(serverNet)
	to := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", clientIP, port))
	if connected {
		if r := p.do(order{Op: "connect", FD: c, Family: family, Addr: to}); r.Err != "" {
			return append(seen, "connect: "+r.Err)
		}
		p.ok(order{Op: "send", FD: c, Data: "hello"})
		seen = append(seen, "client is "+p.sockname(c), "client sees "+p.peername(c))
	} else if r := p.do(order{Op: "sendto", FD: c, Family: family, Addr: to, Data: "hello"}); r.Err != "" {
		return append(seen, "sendto: "+r.Err)
	}
	r := p.do(order{Op: "recvnow", FD: s})
	if r.Err != "" {
		return append(seen, "server reads: "+r.Err)
	}
	seen = append(seen, "server reads "+r.Data+" from "+r.Addr.String())
	if r := p.do(order{Op: "sendto", FD: s, Family: sfamily, Addr: r.Addr, Data: "world"}); r.Err != "" {
		return append(seen, "reply: "+r.Err)
	}
	if r = p.do(order{Op: "recvnow", FD: c}); r.Err != "" {
		return append(seen, "client reads: "+r.Err)
	}
	return append(seen, "client is answered by "+r.Addr.String(), "client reads "+r.Data)
}

// sameAsAlone compares what was seen inside with what was seen alone. It
// passes what a home does otherwise, on purpose.
func sameAsAlone(got, alone, serverNet, serverIP, clientNet string) bool {
	// A server that asked for all addresses has localhost.
	want := strings.NewReplacer(
		"listens 0.0.0.0:", "listens 127.0.0.1:",
		"listens [::]:", "listens [::1]:",
		"listens [::ffff:0.0.0.0]:", "listens [::ffff:127.0.0.1]:",
		"bound 0.0.0.0:", "bound 127.0.0.1:",
		"bound [::]:", "bound [::1]:",
		"bound [::ffff:0.0.0.0]:", "bound [::ffff:127.0.0.1]:",
	).Replace(alone)
	if got == want {
		return true
	}
	// An IPv6 server that asked for ::1 or :: and is not IPv6-only is on
	// ::ffff:home; a UDP one that asked for ::1 is not.
	mapped := (serverNet == "tcp6" && serverIP == "[::1]") || serverNet[3:] == "6" && serverIP == "[::]"
	udp := strings.HasPrefix(serverNet, "udp")
	reached := strings.HasSuffix(got, "client reads world")
	refused := strings.HasSuffix(got, "connect: ECONNREFUSED") || strings.HasSuffix(got, "sendto: ECONNREFUSED")
	nobody := refused || strings.HasSuffix(got, "server reads: EAGAIN")
	switch {
	case reached && !strings.HasSuffix(alone, "client reads world"):
		// Localhost is one in a home: who listens on 127.0.0.1 is reached by
		// ::1 where nobody else is there.
		return mapped || serverNet[3:] == "4" || strings.HasPrefix(serverIP, "[::ffff:")
	case refused && strings.HasSuffix(alone, "server reads: EAGAIN"):
		return true // strict says at once that nobody is there
	case nobody && mapped && clientNet[3:] == "6only":
		return true // cannot go to an IPv4 address
	case nobody && mapped && udp && clientNet == "udp6":
		// Nor can a datagram to ::1 (ENOTSUPP in udpv6_sendmsg).
		return true
	case reached && mapped:
		// The connections are IPv4 ones, for the server.
		lines := strings.Split(want, "\n")
		for i, line := range lines {
			if strings.HasPrefix(line, "accept ") || strings.HasPrefix(line, "server ") {
				lines[i] = strings.ReplaceAll(line, "[::1]", "[::ffff:127.0.0.1]")
			}
		}
		return got == strings.Join(lines, "\n")
	}
	return false
}

func TestTCPAsOnLoneMachine(t *testing.T) {
	c := spawn(t)
	alone := outside(t)
	alone.ok(order{Op: "unshare"})
	port := 20000 // a new one each time, since closed connections linger
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		for _, s := range serverForms {
			for _, cl := range clientForms {
				port++
				name := fmt.Sprintf("%s/%s %s/%s %s", isolation, s.network, s.ip, cl.network, cl.ip)
				t.Run(name, func(t *testing.T) {
					want := tcpTalk(alone, s.network, s.ip, cl.network, cl.ip, port)
					got := tcpTalk(p, s.network, s.ip, cl.network, cl.ip, port)
					if !sameAsAlone(got, want, s.network, s.ip, cl.network) {
						t.Errorf("inside:\n%s\nalone:\n%s", got, want)
					}
				})
			}
		}
	}
}

func TestUDPAsOnLoneMachine(t *testing.T) {
	c := spawn(t)
	alone := outside(t)
	alone.ok(order{Op: "unshare"})
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		h := newHome(t, c, isolation)
		p := puppetIn(t, h, "web")
		port := 22000
		for _, s := range serverForms {
			for _, cl := range clientForms {
				for _, connected := range []bool{false, true} {
					port++
					snet := strings.Replace(s.network, "tcp", "udp", 1)
					cnet := strings.Replace(cl.network, "tcp", "udp", 1)
					name := fmt.Sprintf("%s/%s %s/%s %s/connected=%v", isolation, snet, s.ip, cnet, cl.ip, connected)
					t.Run(name, func(t *testing.T) {
						want := udpTalk(alone, snet, s.ip, cnet, cl.ip, port, connected)
						got := udpTalk(p, snet, s.ip, cnet, cl.ip, port, connected)
						if !sameAsAlone(got, want, snet, s.ip, cnet) {
							t.Errorf("inside:\n%s\nalone:\n%s", got, want)
						}
					})
				}
			}
		}
	}
}
