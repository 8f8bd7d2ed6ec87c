package ebpfhome

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

// listen(2) without bind(2): the kernel picks a port on all addresses, and no
// bind hook runs.
func TestListenWithoutBind(t *testing.T) {
	c := spawn(t)
	for _, isolation := range []loopback.Isolation{loopback.Overlay, loopback.Strict} {
		for _, network := range []string{"tcp4", "tcp6", "tcp6only"} {
			t.Run(string(isolation)+"/"+network, func(t *testing.T) {
				h := newHome(t, c, isolation)
				p := puppetIn(t, h, "web")
				family, typ := familyOf(network)
				fd := p.socket(family, typ)
				if network == "tcp6only" {
					p.ok(order{Op: "set", FD: fd, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
				}
				p.ok(order{Op: "listen", FD: fd})
				ip := "127.0.0.1"
				if family == unix.AF_INET6 {
					ip = "[::1]"
				}
				at := netip.MustParseAddrPort(p.sockname(fd))
				if want := netip.MustParseAddrPort(fmt.Sprintf("%s:%d", ip, at.Port())); at != want || at.Port() == 0 {
					t.Errorf("getsockname %s, want %s", at, want)
				}
				if r := p.ok(order{Op: "getdevice", FD: fd}); r.Data != "lo" {
					t.Errorf("on device %q, want lo", r.Data)
				}
				client := p.socket(family, typ)
				if r := p.connect(client, family, at.String()); r.Err != "" {
					t.Errorf("connect %s: %s", at, r.Err)
				}
				want := h.spec.IP4
				if network == "tcp6only" {
					want = h.spec.IP6
				}
				e, ok := h.endpoint(t, loopback.TCP, at.Port())
				if !ok || e.IP != want || e.Service != "web" {
					t.Errorf("endpoint %+v, want %s of web", e, want)
				}
				// From outside, by the home's address.
				out := outside(t)
				ofamily := unix.AF_INET
				if want.Is6() {
					ofamily = unix.AF_INET6
				}
				if r := out.connect(out.socket(ofamily, typ), ofamily, e.AddrPort().String()); r.Err != "" {
					t.Errorf("from outside: connect %s: %s", e, r.Err)
				}
				p.close(fd)
				again := p.socket(family, typ)
				if r := p.connect(again, family, at.String()); r.Err != "ECONNREFUSED" {
					t.Errorf("after close: %q", r.Err)
				}
			})
		}
	}
}

// TestNotOnTheNetwork joins two network namespaces by a pair of devices. A
// server of a home in one is not reached from the other; one outside a home
// is, so that the proof can fail.
func TestNotOnTheNetwork(t *testing.T) {
	needRoot(t)
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("needs the program ip (iproute2)")
	}
	var b [3]byte
	rand.Read(b[:])
	name := "lodge-" + hex.EncodeToString(b[:])
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", name) })
	peer := name + "-b"
	run(t, "ip", "netns", "add", peer)
	t.Cleanup(func() { run(t, "ip", "netns", "del", peer) })
	run(t, "ip", "-n", name, "link", "add", "veth0", "type", "veth", "peer", "name", "veth0", "netns", peer)
	for i, ns := range []string{name, peer} {
		run(t, "ip", "-n", ns, "link", "set", "lo", "up")
		run(t, "ip", "-n", ns, "address", "add", fmt.Sprintf("10.111.0.%d/24", i+1), "dev", "veth0")
		run(t, "ip", "-n", ns, "address", "add", fmt.Sprintf("fd11::%d/64", i+1), "dev", "veth0", "nodad")
		run(t, "ip", "-n", ns, "link", "set", "veth0", "up")
	}
	client := outside(t)
	client.ok(order{Op: "setns", Data: "/run/netns/" + peer})
	plain := outside(t)
	plain.ok(order{Op: "setns", Data: "/run/netns/" + name})
	h := newHome(t, spawnIn(t, "/run/netns/"+name), loopback.Overlay)
	inside := puppetIn(t, h, "web")
	inside.ok(order{Op: "setns", Data: "/run/netns/" + name})

	port := 25000
	for _, tc := range []struct {
		network, ip string
		bind        bool
	}{
		{"tcp4", "0.0.0.0", true},
		{"tcp6", "[::]", true},
		{"tcp6only", "[::]", true},
		{"tcp4", "0.0.0.0", false},
		{"tcp6", "[::]", false},
		{"tcp6only", "[::]", false},
		{"udp4", "0.0.0.0", true},
		{"udp6", "[::]", true},
		{"udp6only", "[::]", true},
	} {
		t.Run(fmt.Sprintf("%s/bind=%v", tc.network, tc.bind), func(t *testing.T) {
			for _, p := range []*puppet{plain, inside} {
				port++
				family, typ := familyOf(tc.network)
				var fd int
				if tc.bind {
					fd = p.mustServe(tc.network, fmt.Sprintf("%s:%d", tc.ip, port))
				} else {
					fd = p.socket(family, typ)
					if tc.network == "tcp6only" {
						p.ok(order{Op: "set", FD: fd, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
					}
					p.ok(order{Op: "listen", FD: fd})
				}
				at := netip.MustParseAddrPort(p.sockname(fd)).Port()
				to := fmt.Sprintf("10.111.0.1:%d", at)
				cfamily := unix.AF_INET
				if tc.network[3:] == "6only" {
					to, cfamily = fmt.Sprintf("[fd11::1]:%d", at), unix.AF_INET6
				}
				cfd := client.socket(cfamily, typ)
				r := client.connect(cfd, cfamily, to)
				if typ == unix.SOCK_DGRAM && r.Err == "" {
					client.ok(order{Op: "send", FD: cfd, Data: "x"})
					r = p.do(order{Op: "recv1", FD: fd})
				}
				reached := r.Err == ""
				if reached != (p == plain) {
					t.Errorf("home: %v, reached: %v (%s)", p == inside, reached, r.Err)
				}
				client.close(cfd)
				p.close(fd)
			}
		})
	}
}
