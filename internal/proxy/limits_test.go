package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"lodge/internal/proxy/buffers"

	"golang.org/x/net/http2"
)

// TestHeadLimits: heads of any allowed size pass, longer ones are refused.
func TestHeadLimits(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, len(r.Header.Get("X-Long"))) })
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		for _, n := range []int{buffers.ReadSize - 200, buffers.ReadSize, buffers.ReadSize * 3, 60 << 10} {
			req, _ := http.NewRequest("GET", base, nil)
			req.Header.Set("X-Long", strings.Repeat("x", n))
			res, err := r.client(proto).Do(req)
			if err != nil {
				t.Fatal(n, err)
			}
			if got := bodyOf(t, res); got != fmt.Sprint(n) {
				t.Errorf("%d bytes: %s %s", n, res.Status, got)
			}
		}
		for name, set := range map[string]func(h http.Header){
			"too long": func(h http.Header) { h.Set("X-Long", strings.Repeat("x", 200<<10)) },
			"too many": func(h http.Header) {
				for i := range 300 {
					h.Set(fmt.Sprint("X-", i), "")
				}
			},
		} {
			req, _ := http.NewRequest("GET", base, nil)
			set(req.Header)
			res, err := r.client(proto).Do(req)
			if err != nil { // a client of HTTP/2 refuses to send it
				continue
			}
			if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
				t.Errorf("%s: %s", name, res.Status)
			}
			res.Body.Close()
		}
	})
}

// TestLongAnswerHead: services may have long heads too.
func TestLongAnswerHead(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 30 {
			w.Header().Add("Set-Cookie", fmt.Sprintf("c%d=%s", i, strings.Repeat("x", 1000)))
		}
		io.WriteString(w, "ok")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		for range 3 {
			res, err := r.client(proto).Get(base)
			if err != nil {
				t.Fatal(err)
			}
			if got := bodyOf(t, res); got != "ok" || len(res.Header["Set-Cookie"]) != 30 {
				t.Errorf("%s %q", res.Status, got)
			}
		}
	})
}

// TestSlowClients: those that do not finish what they began are closed, those
// that wait for a service are not.
func TestSlowClients(t *testing.T) {
	wait, arrived := make(chan struct{}), make(chan struct{}, 1)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			arrived <- struct{}{}
			<-wait
			io.WriteString(w, "at last")
			return
		}
		io.Copy(io.Discard, r.Body)
	})
	const short = 50 * time.Millisecond
	r := newRig(t, Config{Limits: Limits{HeadTime: short, IdleTime: short, StallTime: short}})
	r.serve(at("web", up))
	patient := r.inTime("GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n", arrived)
	for name, send := range map[string]string{
		"nothing":            "",
		"half a line":        "GET / HT",
		"half a head":        "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nX: ",
		"half a second head": "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 0\r\n\r\nPOST / HT",
		"half a body":        "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 10\r\n\r\nhalf",
		"half a chunk":       "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
		"half a handshake":   "\x16\x03\x01\x02\x00\x01",
		"half a preface":     "PRI * HTTP/2.0\r\n\r\nSM",
		"one request":        "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 0\r\n\r\n",
		"a preface, no more": http2.ClientPreface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00",
	} {
		c := r.dial()
		io.WriteString(c, send)
		if _, err := io.Copy(io.Discard, c); err != nil && isTimeout(err) {
			t.Errorf("%s: still open", name)
		}
	}
	close(wait)
	reply := within(t, patient, "the answer")
	if reply.err != nil {
		t.Fatal(reply.err)
	}
	if got := bodyOf(t, reply.res); got != "at last" {
		t.Error(got)
	}
}

type replied struct {
	res *http.Response
	err error
}

// inTime sends a request until it arrives at its service: on a busy machine a
// short limit may close the connection before anything was sent on it.
func (r *rig) inTime(request string, arrived <-chan struct{}) <-chan replied {
	r.t.Helper()
	for {
		c, got := r.dial(), make(chan replied, 1)
		go func() {
			io.WriteString(c, request)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			got <- replied{res, err}
		}()
		select {
		case <-arrived:
			return got
		case a := <-got:
			if a.err == nil || isTimeout(a.err) {
				r.t.Fatalf("%+v, %v", a.res, a.err)
			}
		}
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// TestStalledReader: a client that takes nothing is given up.
func TestStalledReader(t *testing.T) {
	begun := make(chan struct{}, 1)
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		io.Copy(w, repeat(make([]byte, 1<<20)))
	})
	r := newRig(t, Config{Limits: Limits{StallTime: 50 * time.Millisecond}})
	r.serve(at("web", up))
	secure := at("web", secureBackend(t, up))
	secure.Endpoints[0].Protocol = HTTPS
	for _, s := range []Service{at("web", up), secure} { // on either path
		r.serve(s)
		c := r.dial()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n")
		within(t, begun, "the request at the service")
		waitOpen(t, r, 0)
	}
}

// TestConnections: no more than the limit are open at once, and more wait.
func TestConnections(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	r := newRig(t, Config{Limits: Limits{Conns: 2}})
	r.serve(at("web", up))
	req := "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n"
	one, two, three := r.dial(), r.dial(), r.dial()
	r.ask(one, req, "GET")
	r.ask(two, req, "GET")
	io.WriteString(three, req)
	one.Close()
	res, err := http.ReadResponse(bufio.NewReader(three), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, res); got != "ok" {
		t.Error(got)
	}
}

// TestShutdown: requests under way end well, tunnels and idle connections end,
// and nothing is taken any more.
func TestShutdown(t *testing.T) {
	came, wait := make(chan struct{}), make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		came <- struct{}{}
		<-wait
		io.WriteString(w, "whole")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	answers := make(chan string, len(protos))
	for _, p := range protos {
		go func() {
			res, err := r.client(p.name).Get(p.scheme + "://web.shop.localhost/")
			if err != nil {
				answers <- err.Error()
				return
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			answers <- string(b)
		}()
		within(t, came, "the request")
	}
	idle := r.dial()
	down := make(chan error, 1)
	go func() { down <- r.e.Shutdown(context.Background()) }()
	if _, err := idle.Read(make([]byte, 1)); err == nil || isTimeout(err) {
		t.Error("an idle connection is still open")
	}
	close(wait)
	for range protos {
		if got := within(t, answers, "an answer"); got != "whole" {
			t.Error(got)
		}
	}
	if err := within(t, down, "the end"); err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", r.addr); err == nil {
		c.Close()
		t.Error("still listening")
	}
	// Hard, when the context ends.
	r = newRig(t, Config{})
	stuck := backend(t, func(_ http.ResponseWriter, r *http.Request) { came <- struct{}{}; <-r.Context().Done() })
	r.serve(at("web", stuck))
	for _, p := range protos {
		go func() { r.client(p.name).Get(p.scheme + "://web.shop.localhost/") }()
		within(t, came, "the request")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := r.e.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestListeners: only loopback, unless it is for one service; plain and TLS
// where only one is wanted.
func TestListeners(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	r := newRig(t, Config{})
	r.serve(at("web", up), at("api", up))
	if err := r.e.Serve(Listener{Listener: listen(t, "0.0.0.0:0")}); err == nil || !strings.Contains(err.Error(), "no loopback address") {
		t.Errorf("all interfaces: %v", err)
	}
	serve := func(l Listener) string {
		go r.e.Serve(l)
		return l.Addr().String()
	}
	ask := func(addr, send string) string {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		io.WriteString(c, send)
		b, _ := io.ReadAll(c)
		return string(b)
	}
	shared := serve(Listener{Listener: listen(t, "0.0.0.0:0"), Only: "shop/web"})
	_, port, _ := net.SplitHostPort(shared)
	for _, host := range []string{"192.0.2.7", "web.example", "api.shop.localhost"} {
		got := ask("127.0.0.1:"+port, "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if !strings.HasSuffix(got, "ok") {
			t.Errorf("shared, as %s: %q", host, got)
		}
	}
	if got := ask("127.0.0.1:"+port, "GET / HTTP/1.1\r\nHost: web.example\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403") {
		t.Errorf("shared, cross-site: %q", got)
	}
	plain := serve(Listener{Listener: listen(t, "127.0.0.1:0"), Scheme: Plain})
	if got := ask(plain, "\x16\x03\x01\x00\x05hello\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400") {
		t.Errorf("TLS to plain: %q", got)
	}
	only := serve(Listener{Listener: listen(t, "127.0.0.1:0"), Scheme: TLS})
	if got := ask(only, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n"); strings.HasPrefix(got, "HTTP") {
		t.Errorf("plain to TLS: %q", got)
	}
	c, err := tls.Dial("tcp", only, &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost", NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}
