package unixhttp

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve answers on a Unix socket, and returns a client of it and how often it has
// connected.
func serve(t *testing.T, answer func(net.Conn)) (*Client, *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			answer(nc)
		}
	}()
	c, dialed := client(ln)
	t.Cleanup(func() { c.Close(); _ = ln.Close(); <-done })
	return c, dialed
}

func client(ln net.Listener) (*Client, *atomic.Int32) {
	var dialed atomic.Int32
	return &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		dialed.Add(1)
		return new(net.Dialer).DialContext(ctx, "unix", ln.Addr().String())
	}}, &dialed
}

// raw answers each connection's first request with these bytes, and closes it.
func raw(text string) func(net.Conn) {
	return func(nc net.Conn) {
		defer nc.Close()
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			_, _ = io.WriteString(nc, text)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		status, body string // of what is understood
		length       int64
		err          string // of Do, or of the reading of the body
	}{
		{"counted", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 OK", "hi", 2, ""},
		{"nothing", "HTTP/1.1 204 No Content\r\n\r\n", "204 No Content", "", 0, ""},
		{"empty", "HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n", "500", "", 0, ""},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nA;x=y\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n", "200 OK", "hi0123456789", -1, ""},
		{"to its end", "HTTP/1.0 200 OK\r\n\r\nhi", "200 OK", "hi", -1, ""},
		{"interim", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 1\r\n\r\nx", "404 Not Found", "x", 1, ""},
		{"counted, cut off", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "200 OK", "hi", 3, "unexpected EOF"},
		{"chunk cut off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", "200 OK", "hi", -1, "unexpected EOF"},
		{"last chunk missing", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "200 OK", "hi", -1, "unexpected EOF"},
		{"trailer cut off", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b", "200 OK", "", -1, "unexpected EOF"},
		{"no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nhi\r\n", "200 OK", "", -1, `read answer: "xyz" is not the head of a chunk`},
		{"more than the chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhix\r\n0\r\n\r\n", "200 OK", "hi", -1, `read answer: "x" is not the head of a chunk`},
		{"no answer", "", "", "", 0, "EOF"},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "", "", 0, "unexpected EOF"},
		{"half a field", "HTTP/1.1 200 OK\r\nContent-", "", "", 0, `malformed MIME header: missing colon: "Content-"`},
		{"another protocol", "SSH-2.0-x\r\n\r\n", "", "", 0, `read status line "SSH-2.0-x": it is not HTTP/1`},
		{"no status", "HTTP/1.1 OK\r\n\r\n", "", "", 0, `read status line "HTTP/1.1 OK": it is not HTTP/1`},
		{"bad length", "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", "", "", 0, `read answer: bad Content-Length "-2"`},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", "", "", 0, `read answer: bad Content-Length "2, 3"`},
		{"another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", "", "", 0, `read answer: transfer coding "gzip" is not known`},
		{"endless head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+strings.Repeat("a", 1000)+"\r\n", 100), "", "", 0, "unexpected EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl, _ := serve(t, raw(c.answer))
			resp, err := cl.Do(t.Context(), Request{Method: Get, Target: "/"})
			if c.status == "" {
				if err == nil || err.Error() != c.err {
					t.Errorf("got %v, want %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if resp.Status != c.status || string(b) != c.body || resp.ContentLength != c.length || err == nil && c.err != "" || err != nil && err.Error() != c.err {
				t.Errorf("got %s, %d, %q, %v", resp.Status, resp.ContentLength, b, err)
			}
		})
	}
}

// The server of package net/http understands the requests, a connection is used again
// for one that can be repeated, and a big answer comes whole.
func TestWithServer(t *testing.T) {
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	big := strings.Repeat("0123456789", 100_000)
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/big" {
			_, _ = io.WriteString(w, big)
			return
		}
		w.Header().Set("X-Test", "yes")
		fmt.Fprintf(w, "%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Content-Type"), b)
	})}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	defer func() { _ = srv.Close(); <-done }()
	cl, dialed := client(ln)
	defer cl.Close()
	ask := func(r Request) string {
		t.Helper()
		resp, err := cl.Do(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	wrote := false
	if got := ask(Request{Method: Post, Target: "/a%2Fb?c=d", Body: []byte("{}"), Wrote: func() { wrote = true }}); got != "POST /a%2Fb?c=d application/json {}" || !wrote {
		t.Errorf("got %q, %t", got, wrote)
	}
	for range 3 {
		if got := ask(Request{Method: Get, Target: "/x"}); got != "GET /x  " {
			t.Errorf("got %q", got)
		}
		if got := ask(Request{Method: Get, Target: "/big"}); got != big {
			t.Errorf("got %d bytes", len(got))
		}
	}
	if n := dialed.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	if got := ask(Request{Method: Post, Target: "/y"}); got != "POST /y  " || dialed.Load() != 2 {
		t.Errorf("got %q on connection %d", got, dialed.Load())
	}
}

// A server that closed the idle connection is asked on a new one.
func TestIdleConnectionClosed(t *testing.T) {
	closed := make(chan struct{}, 2)
	cl, dialed := serve(t, func(nc net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
			_, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
		}
		_ = nc.Close()
		closed <- struct{}{}
	})
	for range 2 {
		resp, err := cl.Do(t.Context(), Request{Method: Get, Target: "/"})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != "hi" || err != nil {
			t.Errorf("got %q, %v", b, err)
		}
		<-closed
	}
	if n := dialed.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// The end of a context ends a request, and the reading of an answer.
func TestContextEnds(t *testing.T) {
	for _, answer := range []string{"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi"} {
		release := make(chan struct{})
		cl, _ := serve(t, func(nc net.Conn) {
			defer nc.Close()
			if _, err := http.ReadRequest(bufio.NewReader(nc)); err == nil {
				_, _ = io.WriteString(nc, answer)
			}
			<-release
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { time.Sleep(10 * time.Millisecond); cancel() }()
		resp, err := cl.Do(ctx, Request{Method: Get, Target: "/"})
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			_ = resp.Body.Close()
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%q: %v", answer, err)
		}
		close(release)
		cancel()
	}
}
