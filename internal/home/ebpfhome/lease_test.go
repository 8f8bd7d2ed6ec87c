package ebpfhome

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

func TestLease(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	const port = 51001
	must(t, h.Lease("web", port))
	must(t, h.Lease("web", port))
	if err := h.Lease("db", port); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("lease for another: %v", err)
	}
	web, thief, out := puppetIn(t, h, "web"), puppetIn(t, h, "db"), outside(t)

	tryAll := func(when string) {
		t.Helper()
		for _, ip := range []struct{ network, ip string }{{"tcp4", "127.0.0.1"}, {"tcp4", "0.0.0.0"}, {"tcp6", "[::]"}, {"tcp6only", "[::1]"}} {
			if _, errno := thief.server(ip.network, fmt.Sprintf("%s:%d", ip.ip, port)); errno != "EADDRINUSE" {
				t.Errorf("%s: thief inside on %s: %q, want EADDRINUSE", when, ip.ip, errno)
			}
		}
		at := fmt.Sprintf("%s:%d", h.spec.IP4, port)
		if _, errno := out.server("tcp4", at); errno != "EADDRINUSE" {
			t.Errorf("%s: thief outside: %q, want EADDRINUSE", when, errno)
		}
		if _, errno := out.server("tcp4", fmt.Sprintf("0.0.0.0:%d", port)); errno != "EADDRINUSE" {
			t.Errorf("%s: thief outside on all addresses: %q, want EADDRINUSE", when, errno)
		}
		other := outside(t)
		other.ok(order{Op: "setuid", Value: 65534})
		fd := other.socket(unix.AF_INET, unix.SOCK_STREAM)
		other.ok(order{Op: "set", FD: fd, Level: unix.SOL_SOCKET, Name: unix.SO_REUSEPORT, Value: 1})
		if r := other.bind(fd, unix.AF_INET, at); r.Err != "EADDRINUSE" {
			t.Errorf("%s: thief of another user with SO_REUSEPORT: %q, want EADDRINUSE", when, r.Err)
		}
	}
	tryAll("leased")

	// Nobody listens yet, so that nobody is reached.
	if r := web.connect(web.socket(unix.AF_INET, unix.SOCK_STREAM), unix.AF_INET, fmt.Sprintf("127.0.0.1:%d", port)); r.Err != "ECONNREFUSED" {
		t.Errorf("before the service listens: %q", r.Err)
	}
	fd := web.mustServe("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if r := web.ok(order{Op: "get", FD: fd, Level: unix.SOL_SOCKET, Name: unix.SO_REUSEPORT}); r.Value != 0 {
		t.Error("the service's listener still shares its port")
	}
	for range 50 {
		client := web.socket(unix.AF_INET, unix.SOCK_STREAM)
		if r := web.connect(client, unix.AF_INET, fmt.Sprintf("127.0.0.1:%d", port)); r.Err != "" {
			t.Fatalf("connect: %s", r.Err)
		}
		web.close(web.ok(order{Op: "accept", FD: fd}).FD)
		web.close(client)
	}
	tryAll("listening")
	web.close(fd)
	tryAll("closed again")
	// The service may come back, also while connections linger, and on IPv6.
	web.close(web.mustServe("tcp6", fmt.Sprintf("[::]:%d", port)))
	// A new cgroup of the service has the lease as well.
	web.end()
	must(t, h.Forget("web"))
	web = puppetIn(t, h, "web")
	fd = web.mustServe("tcp4", fmt.Sprintf("0.0.0.0:%d", port))
	web.close(fd)

	must(t, h.Release(port))
	must(t, h.Release(port))
	// Connections linger on that port, as they do without lodge.
	must(t, h.Lease("web", port+1))
	must(t, h.Release(port+1))
	thief.close(thief.mustServe("tcp4", fmt.Sprintf("0.0.0.0:%d", port+1)))
}

func TestConflicts(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	web, db := puppetIn(t, h, "web"), puppetIn(t, h, "db")
	expect := func(network string, port uint16) {
		t.Helper()
		select {
		case got := <-h.Conflicts():
			if got.Service != "db" || string(got.Protocol) != network || got.Port != port {
				t.Errorf("conflict %+v, want %s %d of db", got, network, port)
			}
		case <-time.After(10 * time.Second):
			t.Errorf("%s %d: no conflict was told", network, port)
		}
	}
	web.mustServe("tcp4", "0.0.0.0:25100")
	if _, errno := db.server("tcp4", "127.0.0.1:25100"); errno != "EADDRINUSE" {
		t.Errorf("second bind: %q", errno)
	}
	expect("tcp", 25100)
	if _, errno := db.server("tcp6", "[::]:25100"); errno != "EADDRINUSE" {
		t.Errorf("second bind: %q", errno)
	}
	expect("tcp", 25100)
	web.mustServe("udp4", "0.0.0.0:25101")
	if _, errno := db.server("udp4", "127.0.0.1:25101"); errno != "EADDRINUSE" {
		t.Errorf("second bind: %q", errno)
	}
	expect("udp", 25101)
	must(t, h.Lease("web", 51002))
	if _, errno := db.server("tcp4", "127.0.0.1:51002"); errno != "EADDRINUSE" {
		t.Errorf("leased: %q", errno)
	}
	expect("tcp", 51002)
}

// TestChanges: an endpoint that comes or goes is told, and the kernel's list
// has it then, or has it no more.
func TestChanges(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	p := puppetIn(t, h, "web")
	until := func(network string, port uint16, want bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case <-h.Changes():
			case <-deadline:
				t.Fatalf("%s %d: no change was told that made it %v", network, port, want)
			}
			if _, ok := h.endpoint(t, loopback.Protocol(network), port); ok == want {
				return
			}
		}
	}
	for i, tc := range []struct{ network, ip string }{
		{"tcp4", "0.0.0.0"}, {"tcp6", "[::]"}, {"tcp6only", "[::1]"}, {"udp4", "0.0.0.0"}, {"udp6", "[::]"}, {"udp6", "[::1]"},
	} {
		port := uint16(25200 + i)
		fd := p.mustServe(tc.network, fmt.Sprintf("%s:%d", tc.ip, port))
		until(tc.network[:3], port, true)
		p.close(fd)
		until(tc.network[:3], port, false)
	}
	// MPTCP, as Go's net.Listen does it.
	r := p.do(order{Op: "socket", Family: unix.AF_INET6, Type: unix.SOCK_STREAM, Proto: unix.IPPROTO_MPTCP})
	if r.Err != "" {
		t.Skip("no MPTCP: " + r.Err)
	}
	if b := p.bind(r.FD, unix.AF_INET6, "[::]:25210"); b.Err != "" {
		t.Fatal(b.Err)
	}
	p.ok(order{Op: "listen", FD: r.FD})
	until("tcp", 25210, true)
	if got := p.sockname(r.FD); got != "[::1]:25210" {
		t.Errorf("MPTCP getsockname %s", got)
	}
	client := p.socket(unix.AF_INET, unix.SOCK_STREAM)
	if b := p.connect(client, unix.AF_INET, "127.0.0.1:25210"); b.Err != "" {
		t.Error(b.Err)
	}
	p.close(p.ok(order{Op: "accept", FD: r.FD}).FD)
	p.close(r.FD)
	until("tcp", 25210, false)
	// A process that dies takes its endpoints along.
	p.mustServe("tcp4", "0.0.0.0:25211")
	until("tcp", 25211, true)
	must(t, unix.Kill(p.pid, unix.SIGKILL))
	until("tcp", 25211, false)
}
