package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// descriptors returns how many of want descriptors this process may have, after
// asking for them.
func descriptors(t *testing.T, want uint64) int {
	t.Helper()
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		t.Fatal(err)
	}
	was := lim
	lim.Cur, lim.Max = max(want, lim.Cur), max(want, lim.Max)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil { // only root may raise the highest
		return int(was.Cur)
	}
	t.Cleanup(func() { unix.Setrlimit(unix.RLIMIT_NOFILE, &was) })
	return int(lim.Cur)
}

// TestManyTunnels holds 10,000 WebSockets that say nothing (as many as
// there may be descriptors for, four each), finds no goroutine of lodge's with
// them, and each of them alive in both directions.
func TestManyTunnels(t *testing.T) {
	const spare = 1000
	n := min(10_000, (descriptors(t, 4*10_000+spare)-spare)/4)
	t.Logf("%d tunnels", n)
	ln := listen(t, "127.0.0.1:0")
	// Less than all of this takes, and more than this process may need to send a
	// request after it has connected.
	r := newRig(t, Config{Limits: Limits{IdleTime: 10 * time.Second, HeadTime: patience}})
	r.serve(at("web", ln.Addr().String()))
	clients, ups := make([]net.Conn, 0, n), make([]net.Conn, 0, n)
	defer func() {
		for _, c := range append(clients, ups...) {
			c.Close()
		}
	}()
	for i := range n {
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			c = tls.Client(c, &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost"})
		}
		clients = append(clients, c)
		c.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		up, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ups = append(ups, up)
		if _, err := readHead(bufio.NewReader(up)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(up, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := readHead(bufio.NewReader(c)); err != nil {
			t.Fatal(err)
		}
	}
	waitOpen(t, r, n)
	for deadline := time.Now().Add(patience); mine() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines for %d silent tunnels", mine(), n)
		}
	}
	say := func(i int, from, to net.Conn) {
		want := fmt.Sprintf("%05d", i)
		from.SetDeadline(time.Now().Add(patience))
		to.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(from, want); err != nil {
			t.Fatal(err)
		}
		var b [5]byte
		if _, err := io.ReadFull(to, b[:]); err != nil || string(b[:]) != want {
			t.Fatalf("tunnel %d: got %q, %v", i, b, err)
		}
	}
	for i := range n {
		say(i, clients[i], ups[i])
		say(i, ups[i], clients[i])
	}
	for i := range n {
		clients[i].Close()
		ups[i].Close()
	}
	waitOpen(t, r, 0)
}
