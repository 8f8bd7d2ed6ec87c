package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// readerOf makes a connection of the hot road that reads b, and can do no more.
func readerOf(b []byte) *h1conn {
	e := &Engine{}
	e.lim.fill()
	c := &h1conn{e: e, low: &lowConn{client: newClient(netip.MustParseAddr("127.0.0.1"), 80, false)}}
	c.br = bufio.NewReaderSize(bytes.NewReader(b), readSize)
	c.req.DisableNormalizing()
	return c
}

// FuzzHead: a head that is accepted is written for the service in a form that
// net/http's parser, another one than that which read it, reads as the same
// request with the same framing.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n",
		"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, X\r\nX: y\r\n\r\nabc",
		"PUT http://a/b HTTP/1.1\r\nHost: A\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a:80\r\nUpgrade: websocket\r\nConnection: upgrade\r\nCookie: a=b; c\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\nX_Forwarded_For: 1\r\nForwarded: for=1\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c := readerOf(b)
		p, err := c.readHead()
		if p != nil || err != nil || c.minor == 2 || string(c.method) == "CONNECT" {
			return
		}
		out := startHead(nil, &c.facts, "")
		for _, h := range c.fields {
			out = addField(out, &c.facts, h, "")
		}
		out = endHead(out, &c.facts, &c.low.client)
		br := bufio.NewReader(bytes.NewReader(append(out, "rest"...)))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("%v: %q became %q", err, b, out)
		}
		if req.Method != string(c.method) || req.RequestURI != string(c.target) || req.Host != string(c.host) || req.ProtoMinor != 1 {
			t.Fatalf("%q became %q", b, out)
		}
		if want := c.length; req.ContentLength != want {
			t.Fatalf("a body of %d became one of %d: %q became %q", want, req.ContentLength, b, out)
		}
		if rest, _ := br.Peek(br.Buffered()); string(rest) != "rest" {
			t.Fatalf("%q is left of %q", rest, out)
		}
		if v := req.Header.Values("X-Forwarded-For"); len(v) != 1 || v[0] != "127.0.0.1" {
			t.Fatalf("forwarded for %q", v)
		}
		for k := range req.Header {
			if strings.Contains(k, "_") && strings.EqualFold(strings.ReplaceAll(k, "_", "-"), "x-forwarded-for") {
				t.Fatalf("an alias passed: %q", out)
			}
		}
		// net/http, reading what the client sent, must see the same request too:
		// it is the parser of the other road.
		direct, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b, "\r\n"))))
		if err == nil && (direct.Method != req.Method || direct.ContentLength != req.ContentLength) {
			t.Fatalf("net/http reads %s of %d, fasthttp %s of %d in %q", direct.Method, direct.ContentLength, req.Method, req.ContentLength, b)
		}
	})
}

// FuzzHost: what is taken for a host name is one, and no longer than it may be.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"", "a", "A.b:80", "[::1]:80", "a.", "..", ":80", "[", "a@b", "a/b", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf [maxHost]byte
		name, port, ok := splitHost(&buf, b)
		if !ok {
			return
		}
		if len(name) == 0 || len(name) > maxHost || !bytes.HasPrefix(bytes.ToLower(b), name) || bytes.ContainsAny(name, "/@?# \"\r\n") || bytes.ContainsAny(b, "\r\n\"") {
			t.Fatalf("%q is host %q", b, name)
		}
		for _, c := range port {
			if c < '0' || c > '9' {
				t.Fatalf("%q has port %q", b, port)
			}
		}
	})
}

// FuzzTrailer: what is read as a trailer can be written again.
func FuzzTrailer(f *testing.F) {
	for _, s := range []string{"\r\n", "A: b\r\n\r\n", "A: b\r\nContent-Length: 1\r\n\r\n", "A: b\r\n c\r\n\r\n", "A\r\n\r\n", "\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := readTrailer(bufio.NewReaderSize(bytes.NewReader(b), readSize))
		if err != nil {
			return
		}
		again, err := readTrailer(bufio.NewReaderSize(bytes.NewReader(appendTrailer(nil, h)), readSize))
		if err != nil || len(again) != len(h) {
			t.Fatalf("%q gave %v, and that gave %v, %v", b, h, again, err)
		}
		for k := range h {
			if !trailerField(k) {
				t.Fatalf("%q is in a trailer", k)
			}
		}
	})
}

// FuzzPrintable: what a page shows of a service's output is printable.
func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[31mred\x1b[0m\x1b[")
	f.Fuzz(func(t *testing.T, s string) {
		out := printable(s)
		if len(out) > 3*logWidth+3 || strings.ContainsFunc(out, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			t.Fatalf("%q gave %q", s, out)
		}
	})
}

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
		c := readerOf([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		if _, err := c.readHead(); err != nil {
			t.Fatal(err)
		}
		to := &sink{}
		c.c, c.low.Conn = to, to
		u := &upConn{e: c.e, br: bufio.NewReaderSize(bytes.NewReader(b), readSize)}
		if u.readHead() != nil {
			return
		}
		a, err := c.interim(u)
		if err != nil || a.status == http.StatusSwitchingProtocols {
			return
		}
		whole := c.relay(u, &a)
		br := bufio.NewReader(bytes.NewReader(to.got.Bytes()))
		var res *http.Response
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
