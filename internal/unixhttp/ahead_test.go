package unixhttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// echo serves HTTP whose answers are the targets of the requests, and returns a client
// and what was asked.
func echo(t *testing.T) (c *Client, asked func() []string, dialed func() int32) {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var list []string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		list = append(list, r.RequestURI)
		mu.Unlock()
		_, _ = io.WriteString(w, r.RequestURI+strings.Repeat(".", 3000)) // in chunks
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(ln)
	}()
	c, n := client(ln)
	t.Cleanup(func() { c.Close(); _ = server.Close(); <-done })
	return c, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(list)
	}, n.Load
}

func get(t *testing.T, c *Client, target string) {
	t.Helper()
	resp, err := c.Do(t.Context(), Request{Method: Get, Target: target})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || strings.TrimRight(string(b), ".") != target {
		t.Errorf("%s: %q, %v", target, b, err)
	}
}

// What was sent ahead is answered in its order, on its connection, and asked once.
func TestSend(t *testing.T) {
	c, asked, dialed := echo(t)
	if err := c.Send(t.Context(), "/a", "/b"); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{"/a", "/b", "/c"} {
		get(t, c, target)
	}
	if got := asked(); !slices.Equal(got, []string{"/a", "/b", "/c"}) || dialed() != 1 {
		t.Errorf("asked %q on %d connections", got, dialed())
	}
}

// A request that is not the next that was sent has a connection of its own.
func TestSendAndAskAnother(t *testing.T) {
	c, _, dialed := echo(t)
	if err := c.Send(t.Context(), "/a", "/b"); err != nil {
		t.Fatal(err)
	}
	get(t, c, "/b")
	get(t, c, "/a")
	if dialed() != 2 {
		t.Errorf("%d connections", dialed())
	}
}

// Where the server breaks the connection, what was sent is sent again.
func TestSendOnBrokenConnection(t *testing.T) {
	first := true
	c, dialed := serve(t, func(nc net.Conn) {
		if first {
			first = false
			_ = nc.Close()
			return
		}
		raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n/a")(nc)
	})
	_ = c.Send(t.Context(), "/a") // the server may have closed it already
	get(t, c, "/a")
	if n := dialed.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestSendToNobody(t *testing.T) {
	c := &Client{Dial: func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(t.TempDir(), "none"))
	}}
	if err := c.Send(t.Context(), "/a"); err == nil {
		t.Error("no error")
	}
}
