package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// recorder is a service that keeps every byte that it gets, and answers each
// request that net/http finds in them.
type recorder struct {
	addr string
	mu   sync.Mutex
	got  bytes.Buffer
	reqs []string // method and path
}

func newRecorder(t *testing.T) *recorder {
	rec := &recorder{}
	rec.addr = raw(t, func(c net.Conn, _ *bufio.Reader) {
		br := bufio.NewReader(io.TeeReader(c, rec))
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			rec.mu.Lock()
			rec.reqs = append(rec.reqs, req.Method+" "+req.RequestURI)
			rec.mu.Unlock()
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	return rec
}

func (r *recorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got.Write(b)
}

func (r *recorder) all() (requests []string, bytes string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reqs, r.got.String()
}

// TestSmuggling sends what parsers read in different ways. Nothing of it may
// reach the service as more than one request, nor in a form that could be
// read as more than one.
func TestSmuggling(t *testing.T) {
	r := newRig(t, Config{})
	const host = "Host: web.shop.localhost\r\n"
	const inner = "GET /smuggled HTTP/1.1\r\n" + host + "\r\n"
	chunkedInner := "0\r\n\r\n" + inner
	n := func(s string) string { return itoa(len(s)) }
	for name, tc := range map[string]struct {
		send   string
		status int // of the first answer; 0: the connection just ends
	}{
		"both lengths":                   {"POST / HTTP/1.1\r\n" + host + "Content-Length: " + n(chunkedInner) + "\r\nTransfer-Encoding: chunked\r\n\r\n" + chunkedInner, 400},
		"both lengths, other order":      {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n" + chunkedInner, 400},
		"two lengths":                    {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: " + n(inner) + "\r\n\r\n" + inner, 400},
		"two equal lengths":              {"POST / HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
		"list of lengths":                {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0, " + n(inner) + "\r\n\r\n" + inner, 400},
		"negative length":                {"POST / HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
		"signed length":                  {"POST / HTTP/1.1\r\n" + host + "Content-Length: +" + n(inner) + "\r\n\r\n" + inner, 400},
		"hexadecimal length":             {"POST / HTTP/1.1\r\n" + host + "Content-Length: 0x5\r\n\r\n" + inner, 400},
		"empty length":                   {"POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n" + inner, 400},
		"huge length":                    {"POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n" + inner, 400},
		"coding xchunked":                {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n" + chunkedInner, 400},
		"coding identity":                {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nx", 400},
		"two codings":                    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunkedInner, 400},
		"coding list":                    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: identity, chunked\r\n\r\n" + chunkedInner, 400},
		"coding gzip":                    {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n" + chunkedInner, 400},
		"coding after blank":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding : chunked\r\nContent-Length: 6\r\n\r\n" + chunkedInner, 400},
		"coding before vertical tab":     {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\nContent-Length: 6\r\n\r\n" + chunkedInner, 400},
		"coding in 1.0":                  {"POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + chunkedInner, 400},
		"folded field":                   {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 6\r\n\r\n" + chunkedInner, 400},
		"folded first field":             {"GET / HTTP/1.1\r\n " + host + "\r\n", 400},
		"bare LF":                        {"GET / HTTP/1.1\n" + host + "X: y\n\n" + inner + "\r\n\r\n", 400},
		"bare LF in a field":             {"GET / HTTP/1.1\r\n" + host + "X: y\nContent-Length: 50\r\n\r\n", 400},
		"bare CR in a field":             {"GET / HTTP/1.1\r\n" + host + "X: y\rContent-Length: 50\r\n\r\n", 400},
		"CR CR LF":                       {"GET / HTTP/1.1\r\n" + host + "X: y\r\r\n\r\n", 400},
		"NUL":                            {"GET / HTTP/1.1\r\n" + host + "X: y\x00z\r\n\r\n", 400},
		"blank in a name":                {"GET / HTTP/1.1\r\n" + host + "Content Length: 5\r\n\r\n", 400},
		"no colon":                       {"GET / HTTP/1.1\r\n" + host + "Content-Length\r\n\r\n", 400},
		"empty name":                     {"GET / HTTP/1.1\r\n" + host + ": 5\r\n\r\n", 400},
		"two blanks in the line":         {"GET /  HTTP/1.1\r\n" + host + "\r\n", 400},
		"path with a blank":              {"GET /a b HTTP/1.1\r\n" + host + "\r\n", 400},
		"version 1.2":                    {"GET / HTTP/1.2\r\n" + host + "\r\n", 505},
		"version 2.0":                    {"GET / HTTP/2.0\r\n" + host + "\r\n", 505},
		"version 0.9":                    {"GET /\r\n\r\n", 400},
		"no Host":                        {"GET / HTTP/1.1\r\n\r\n", 400},
		"two Hosts":                      {"GET / HTTP/1.1\r\n" + host + host + "\r\n", 400},
		"Host with a path":               {"GET / HTTP/1.1\r\nHost: web.shop.localhost/x\r\n\r\n", 400},
		"Host with a user":               {"GET / HTTP/1.1\r\nHost: x@web.shop.localhost\r\n\r\n", 400},
		"target with another host":       {"GET http://evil.example/ HTTP/1.1\r\n" + host + "\r\n", 400},
		"target without a path":          {"GET web HTTP/1.1\r\n" + host + "\r\n", 400},
		"CONNECT":                        {"CONNECT web.shop.localhost:443 HTTP/1.1\r\n" + host + "\r\n", 405},
		"chunk size with a sign":         {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n0\r\n\r\n" + inner, 502},
		"chunk size with 0x":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n" + inner, 502},
		"chunk size too long":            {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n" + inner, 502},
		"chunk with bare LF":             {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n" + inner, 502},
		"chunk longer than its size":     {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n" + inner, 502},
		"chunk extension with LF":        {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n" + inner, 502},
		"trailer with a length":          {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 50\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", 200},
		"trailer folded":                 {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n c\r\n\r\n" + inner, 502},
		"upgrade to h2c":                 {"GET / HTTP/1.1\r\n" + host + "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n", 200},
		"fields taken out by Connection": {"GET / HTTP/1.1\r\n" + host + "Connection: close, X-Forwarded-For, Host, Content-Length\r\n\r\n", 200},
		"chunk extensions":               {"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1;a=\"b\"\r\nx\r\n0;c\r\n\r\n", 200},
		"length in a 1.0 request":        {"POST / HTTP/1.0\r\n" + host + "Content-Length: 2\r\n\r\nxx", 200},
		"absolute target":                {"GET http://web.shop.localhost/abs HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 200},
		"OPTIONS *":                      {"OPTIONS * HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 200},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t)
			r.serve(at("web", rec.addr))
			c := r.dial()
			io.WriteString(c, tc.send) // the engine may have closed already
			c.(*net.TCPConn).CloseWrite()
			br := bufio.NewReader(c)
			res, err := http.ReadResponse(br, nil)
			status := 0
			if err == nil {
				status = res.StatusCode
				io.Copy(io.Discard, res.Body)
			}
			// A chunk that is malformed ends the upload: with a page, if it was
			// found out before the service answered, or without.
			if status != tc.status && (tc.status != 502 || status != 0) {
				t.Errorf("answered %d, want %d", status, tc.status)
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("a second answer: %q", rest)
			}
			reqs, got := rec.all()
			if tc.status != 200 && tc.status != 502 && got != "" {
				t.Errorf("the service got %q", got)
			}
			if len(reqs) > 1 || strings.Contains(got, "/smuggled") {
				t.Errorf("the service saw %q in %q", reqs, got)
			}
			if tc.status == 200 && len(reqs) != 1 {
				t.Errorf("the service saw %q", reqs)
			}
			for _, never := range []string{"h2c", "HTTP2-Settings", "6.6.6.6", "Host: evil", ";a", "Content-Length: 50"} {
				if strings.Contains(got, never) {
					t.Errorf("the service got %q in %q", never, got)
				}
			}
		})
	}
}

// TestDowngrade sends over HTTP/2 what would change the shape of a head of
// HTTP/1.
func TestDowngrade(t *testing.T) {
	r := newRig(t, Config{})
	inner := "GET /smuggled HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n"
	base := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "web.shop.localhost"}, {Name: ":path", Value: "/"}}
	with := func(extra ...hpack.HeaderField) []hpack.HeaderField {
		return append(append([]hpack.HeaderField(nil), base...), extra...)
	}
	set := func(i int, v string) []hpack.HeaderField {
		out := with()
		out[i].Value = v
		return out
	}
	for name, fields := range map[string][]hpack.HeaderField{
		"path with a blank":       set(3, "/ HTTP/1.1\r\nX: y"),
		"path with a line":        set(3, "/\r\n\r\n"+inner),
		"path with blanks only":   set(3, "/a b"),
		"path that is none":       set(3, "a"),
		"path empty":              set(3, ""),
		"method with a line":      set(0, "GET / HTTP/1.1\r\nX: y\r\n\r\n"),
		"method with a blank":     set(0, "GET /smuggled"),
		"authority with a line":   set(2, "web.shop.localhost\r\nX: y"),
		"authority with a blank":  set(2, "web.shop.localhost x"),
		"value with CR LF":        with(hpack.HeaderField{Name: "x", Value: "y\r\nTransfer-Encoding: chunked"}),
		"value with LF":           with(hpack.HeaderField{Name: "x", Value: "y\n\n" + inner}),
		"value with NUL":          with(hpack.HeaderField{Name: "x", Value: "y\x00"}),
		"name with CR LF":         with(hpack.HeaderField{Name: "x: y\r\nz", Value: "1"}),
		"name with a colon":       with(hpack.HeaderField{Name: "x:y", Value: "1"}),
		"name with capitals":      with(hpack.HeaderField{Name: "X", Value: "1"}),
		"transfer-encoding":       with(hpack.HeaderField{Name: "transfer-encoding", Value: "chunked"}),
		"connection":              with(hpack.HeaderField{Name: "connection", Value: "keep-alive"}),
		"two lengths":             with(hpack.HeaderField{Name: "content-length", Value: "0"}, hpack.HeaderField{Name: "content-length", Value: "5"}),
		"length that is no digit": with(hpack.HeaderField{Name: "content-length", Value: "5x"}),
		"second host":             with(hpack.HeaderField{Name: "host", Value: "evil.example"}),
		"pseudo field at the end": with(hpack.HeaderField{Name: ":path", Value: "/smuggled"}),
		"CONNECT":                 {{Name: ":method", Value: "CONNECT"}, {Name: ":authority", Value: "web.shop.localhost"}},
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t)
			r.serve(at("web", rec.addr))
			c := newH2(t, r.dial())
			c.headers(1, true, fields)
			c.settle() // whatever happens to the stream, the connection has gone over it
			reqs, got := rec.all()
			if len(reqs) > 1 || strings.Contains(got, "smuggled") || strings.Contains(got, "evil") || strings.Contains(got, "X: y") || strings.Contains(got, "a b") {
				t.Errorf("the service got %q", got)
			}
		})
	}
}

// h2 is a client of HTTP/2 without TLS that can send anything.
type h2 struct {
	t   *testing.T
	c   net.Conn
	f   *http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
}

func newH2(t *testing.T, c net.Conn) *h2 {
	t.Helper()
	h := &h2{t: t, c: c, f: http2.NewFramer(c, c)}
	h.enc = hpack.NewEncoder(&h.buf)
	h.f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	io.WriteString(c, http2.ClientPreface)
	if err := h.f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *h2) headers(stream uint32, end bool, fields []hpack.HeaderField) error {
	h.buf.Reset()
	for _, f := range fields {
		if err := h.enc.WriteField(f); err != nil {
			h.t.Fatal(err)
		}
	}
	return h.f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: h.buf.Bytes(), EndStream: end, EndHeaders: true})
}

// settle reads frames until an answer or the end of stream 1, or of the
// connection.
func (h *h2) settle() {
	for {
		f, err := h.f.ReadFrame()
		if err != nil {
			if _, ok := err.(http2.StreamError); ok {
				continue
			}
			return
		}
		if f.Header().StreamID == 1 && (f.Header().Flags.Has(http2.FlagDataEndStream) || f.Header().Type == http2.FrameRSTStream) {
			return
		}
		if f.Header().Type == http2.FrameGoAway {
			return
		}
	}
}
