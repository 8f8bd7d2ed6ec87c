package proxy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// wsEcho is a service that says what it hears.
func wsEcho(t *testing.T, opt *websocket.AcceptOptions) string {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opt)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(64 << 20)
		for {
			typ, b, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if string(b) == "bye" {
				c.Close(4001, "as you wish")
				return
			}
			if err := c.Write(r.Context(), typ, b); err != nil {
				return
			}
		}
	})
}

func dialWS(t *testing.T, r *rig, scheme string, opt *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	if opt == nil {
		opt = &websocket.DialOptions{}
	}
	opt.HTTPClient = r.client("h1")
	opt.HTTPClient.Timeout = 0
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, _, err := websocket.Dial(ctx, scheme+"://web.shop.localhost/ws", opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	c.SetReadLimit(64 << 20)
	return c
}

// TestWebSocket has those cases of Autobahn's that a client decides: sizes,
// kinds, fragments, pings, compression, subprotocols, closing.
func TestWebSocket(t *testing.T) {
	services := map[string]Service{"in the clear": at("web", wsEcho(t, &websocket.AcceptOptions{CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"vite-hmr"}}))}
	secure := at("web", secureBackend(t, wsEcho(t, nil)))
	secure.Endpoints[0].Protocol = HTTPS
	services["over TLS"] = secure
	for to, service := range services {
		for _, scheme := range []string{"http", "https"} {
			t.Run(scheme+" to a service "+to, func(t *testing.T) {
				r := newRig(t, Config{})
				r.serve(service)
				c := dialWS(t, r, scheme, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover, Subprotocols: []string{"vite-hmr"}})
				if to == "in the clear" && c.Subprotocol() != "vite-hmr" {
					t.Errorf("subprotocol %q", c.Subprotocol())
				}
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 65537, 1 << 20, 8 << 20} {
					for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
						msg := bytes.Repeat([]byte("ab"), n/2+1)[:n]
						if err := c.Write(ctx, typ, msg); err != nil {
							t.Fatal(err)
						}
						got, b, err := c.Read(ctx)
						if err != nil {
							t.Fatal(err)
						}
						if got != typ || !bytes.Equal(b, msg) {
							t.Fatalf("%d bytes came back as %d", n, len(b))
						}
					}
				}
				// A message of many fragments.
				w, err := c.Writer(ctx, websocket.MessageText)
				if err != nil {
					t.Fatal(err)
				}
				for range 1000 {
					if _, err := io.WriteString(w, "part "); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if _, b, err := c.Read(ctx); err != nil || len(b) != 5000 {
					t.Fatalf("fragments: %d bytes, %v", len(b), err)
				}
				// A ping is answered while a message is awaited.
				pong := make(chan error, 1)
				go func() { pong <- c.Ping(ctx) }()
				read := make(chan error, 1)
				go func() { _, _, err := c.Read(ctx); read <- err }()
				if err := within(t, pong, "a pong"); err != nil {
					t.Error(err)
				}
				if err := c.Write(ctx, websocket.MessageText, []byte("bye")); err != nil {
					t.Fatal(err)
				}
				err = within(t, read, "the close")
				if websocket.CloseStatus(err) != 4001 {
					t.Errorf("closed with %v", err)
				}
			})
		}
	}
}

// secureBackend puts TLS in front of a service.
func secureBackend(t *testing.T, to string) string {
	t.Helper()
	cert, _ := certificate(t)
	ln := tls.NewListener(listen(t, "127.0.0.1:0"), &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			u, err := net.Dial("tcp", to)
			if err != nil {
				c.Close()
				continue
			}
			wg.Go(func() { io.Copy(u, c); u.(*net.TCPConn).CloseWrite() })
			wg.Go(func() { io.Copy(c, u); c.Close(); u.Close() })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return ln.Addr().String()
}

// TestUpgradeRefused: a service that answers an upgrade with a page keeps the
// connection in step.
func TestUpgradeRefused(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s", r.URL.Path, r.Header.Get("Upgrade"), r.Header.Get("Connection"))
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	c := r.dial()
	res := r.ask(c, "GET /1 HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", "GET")
	if got := bodyOf(t, res); got != "/1 websocket Upgrade" {
		t.Error(got)
	}
	res = r.ask(c, "GET /2 HTTP/1.1\r\nHost: web.shop.localhost\r\nUpgrade: websocket\r\n\r\n", "GET")
	if got := bodyOf(t, res); got != "/2  " {
		t.Errorf("an upgrade that Connection does not name: %q", got)
	}
}

// TestTunnelEnds: each side may end first, and half.
func TestTunnelEnds(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			ended := make(chan string, 1)
			up := raw(t, func(c net.Conn, br *bufio.Reader) {
				if _, err := readHead(br); err != nil {
					return
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
				b, _ := io.ReadAll(br)
				io.WriteString(c, "you said "+string(b))
				ended <- string(b)
			})
			r := newRig(t, Config{})
			r.serve(at("web", up))
			c := r.dial()
			end := c.(*net.TCPConn).CloseWrite
			if secure {
				tc := tls.Client(c, &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost"})
				c, end = tc, tc.CloseWrite
			}
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			br := bufio.NewReader(c)
			if h, err := readHead(br); err != nil || !strings.Contains(h, "Upgrade: echo\r\n") {
				t.Fatal(h, err)
			}
			io.WriteString(c, "hello")
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if got := within(t, ended, "the end at the service"); got != "hello" {
				t.Errorf("the service heard %q", got)
			}
			if b, _ := io.ReadAll(br); string(b) != "early you said hello" {
				t.Errorf("the client heard %q", b)
			}
			waitOpen(t, r, 0)
		})
	}
}

// waitOpen waits until so many requests are under way at shop/web.
func waitOpen(t *testing.T, r *rig, n int) {
	t.Helper()
	for deadline := time.Now().Add(patience); r.e.Usage("shop/web").Open != n; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests under way, want %d", r.e.Usage("shop/web").Open, n)
		}
	}
}

// TestSilentTunnels: tunnels that say nothing have no goroutine, are open for
// as long as both sides want, and end with either side.
func TestSilentTunnels(t *testing.T) {
	accepted := make(chan net.Conn, 400)
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		c.SetDeadline(time.Time{})
		accepted <- c
		io.Copy(c, br)
	})
	r := newRig(t, Config{Limits: Limits{IdleTime: 20 * time.Millisecond, StallTime: 2 * time.Second, HeadTime: patience}})
	r.serve(at("web", up))
	const n = 200
	conns := make([]net.Conn, n)
	before := 0
	for i := range conns {
		if i == n/2 {
			before = mine()
		}
		// One that was closed before this busy process sent anything on it is
		// dialled anew.
		for err := error(nil); conns[i] == nil || err != nil; {
			c := r.dial()
			if i%2 == 0 {
				c = tls.Client(c, &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost"})
			}
			conns[i] = c
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			if _, err = readHead(bufio.NewReader(c)); err != nil && isTimeout(err) {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(patience); mine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines in this package after %d tunnels, %d after %d", before, n/2, mine(), n)
		}
	}
	echo := func(i int) {
		if _, err := fmt.Fprintf(conns[i], "%04d", i); err != nil {
			t.Fatal(err)
		}
		var b [4]byte
		if _, err := io.ReadFull(conns[i], b[:]); err != nil || string(b[:]) != fmt.Sprintf("%04d", i) {
			t.Fatalf("tunnel %d says %q, %v", i, b, err)
		}
	}
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() {
			for range 20 {
				echo(i)
			}
		})
	}
	wg.Wait()
	waitOpen(t, r, n)
	for i := range n / 2 {
		conns[i].Close()
	}
	waitOpen(t, r, n/2)
	for len(accepted) > 0 {
		(<-accepted).Close()
	}
	waitOpen(t, r, 0)
}

// mine counts goroutines of this package that are not the test's own.
func mine() int {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for g := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(g, "internal/proxy/tunnel.(*side)") || strings.Contains(g, "internal/proxy.(*fastConn)") {
			n++
		}
	}
	return n
}
