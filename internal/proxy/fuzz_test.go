package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"lodge/internal/proxy/socket"
	"lodge/internal/proxy/upstream"
)

// sink is a client's connection of which only the writing side is used.
type sink struct {
	net.Conn
	got bytes.Buffer
}

func (s *sink) Write(b []byte) (int, error) { return s.got.Write(b) }

// FuzzAnswer: whatever a service says, what the client gets is one answer that
// net/http reads, or is cut.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n3;x\r\nabc\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 200 OK\r\nConnection: X\r\nX: y\r\n\r\nabc", "HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\nabc",
		"HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\nContent-Length: 3\n\nabc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 a\rb\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nA B: c\r\nX: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &Engine{}
		e.lim.fill()
		to := &sink{}
		c := &fastConn{lifetime: lifetime{clock: &e.now}, e: e, accepted: &accepted{Conn: socket.Conn{Conn: to}}, c: to}
		c.in.Open(strings.NewReader("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), &e.buffers)
		if err := c.req.Read(&c.in, e.lim.Head, e.lim.Fields); err != nil {
			t.Fatal(err)
		}
		u := &upstream.Conn{}
		u.Reader.Open(bytes.NewReader(b), &e.buffers)
		if u.Head.Read(&u.Reader, e.lim.Head) != nil {
			return
		}
		for u.Head.Interim() {
			if c.interim(&u.Head) != nil || u.Head.Read(&u.Reader, e.lim.Head) != nil {
				return
			}
		}
		if u.Head.Status == http.StatusSwitchingProtocols {
			return
		}
		var reusable bool
		whole := c.relay(u, &reusable)
		br := bufio.NewReader(bytes.NewReader(to.got.Bytes()))
		var res *http.Response
		var err error
		for {
			if res, err = http.ReadResponse(br, &http.Request{Method: "GET"}); err != nil {
				t.Fatalf("%v: %q became %q", err, b, to.got.Bytes())
			}
			if res.StatusCode >= 200 {
				break
			}
		}
		_, err = io.ReadAll(res.Body)
		if (err == nil) != whole {
			t.Fatalf("whole: %v, %v: %q became %q", whole, err, b, to.got.Bytes())
		}
		if rest, _ := io.ReadAll(br); whole && len(rest) > 0 {
			t.Fatalf("%q is left of %q, which was %q", rest, to.got.Bytes(), b)
		}
	})
}
