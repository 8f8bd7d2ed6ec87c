package http1

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"lodge/internal/proxy/buffers"
)

// readerOf reads b and can do no more.
func readerOf(b []byte) *Reader {
	r := &Reader{}
	r.Open(bytes.NewReader(b), &buffers.Pool{})
	return r
}

// TestStrictHeads: what parsers read in different ways is an error in a request,
// whatever is lenient in an answer.
func TestStrictHeads(t *testing.T) {
	const host = "Host: a\r\n"
	for name, tc := range map[string]struct {
		head string
		want error
	}{
		"LF alone":           {"GET / HTTP/1.1\n" + "Host: a\n\n\r\n\r\n", errLineEnd},
		"LF in the middle":   {"GET / HTTP/1.1\r\nX: y\n" + host + "\r\n", errLineEnd},
		"CR in a value":      {"GET / HTTP/1.1\r\n" + host + "X: y\rz\r\n\r\n", errLineEnd},
		"folded":             {"GET / HTTP/1.1\r\n" + host + "X: y\r\n z\r\n\r\n", errFold},
		"blank before colon": {"GET / HTTP/1.1\r\n" + host + "X : y\r\n\r\n", errField},
		"NUL":                {"GET / HTTP/1.1\r\n" + host + "X: y\x00\r\n\r\n", errField},
		"no colon":           {"GET / HTTP/1.1\r\n" + host + "X\r\n\r\n", errField},
		"empty name":         {"GET / HTTP/1.1\r\n" + host + ": y\r\n\r\n", errField},
		"no version":         {"GET /\r\n" + host + "\r\n", errBadFirst},
		"another version":    {"GET / HTTP/1.2\r\n" + host + "\r\n", ErrVersion},
		"two blanks":         {"GET  / HTTP/1.1\r\n" + host + "\r\n", errBadFirst},
		"blank at the end":   {"GET / HTTP/1.1 \r\n" + host + "\r\n", errBadFirst},
		"method":             {"G\x01T / HTTP/1.1\r\n" + host + "\r\n", errMethod},
		"no Host":            {"GET / HTTP/1.1\r\n\r\n", errHost},
		"target":             {"GET a HTTP/1.1\r\n" + host + "\r\n", errTarget},
		"too many fields":    {"GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 10) + "\r\n", ErrFields},
	} {
		t.Run(name, func(t *testing.T) {
			var r Request
			err := r.Read(readerOf([]byte(tc.head)), 1<<16, 10)
			var refused *HeadError
			if !errors.As(err, &refused) || !errors.Is(err, tc.want) {
				t.Errorf("%q: %v, want %v", tc.head, err, tc.want)
			}
		})
	}
	var r Request
	if err := r.Read(readerOf([]byte("GET / HTTP/1.1\r\n"+host+"X: "+strings.Repeat("y", 9000)+"\r\n\r\n")), 8192, 10); !errors.Is(err, ErrHeadTooLong) {
		t.Errorf("a long head: %v", err)
	}
}

// TestRequestFacts: what is read of a head.
func TestRequestFacts(t *testing.T) {
	var r Request
	from := readerOf([]byte("\r\nPOST http://A.b:80/x?y HTTP/1.1\r\nHost: A.b:80\r\nConnection: close, X\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: X-Sum, Content-Length\r\nTrailer: X-More\r\nCDN-Loop: lodge, other, Lodge;v=1\r\nUpgrade: websocket\r\n\r\nrest"))
	if err := r.Read(from, 1<<16, 100); err != nil {
		t.Fatal(err)
	}
	if string(r.Target) != "/x?y" || string(r.Name) != "a.b" || string(r.Port) != "80" || !r.Close || !r.HasBody || r.Length != -1 || r.Loops != 2 || r.Upgrade != nil {
		t.Errorf("%+v", r)
	}
	if got := string(r.Trailer); got != "X-Sum, X-More" {
		t.Errorf("trailer %q", got)
	}
	if got := string(from.Pending()); got != "rest" {
		t.Errorf("left: %q", got)
	}
}

// FuzzHead: a head that is accepted is written for the service in a form that
// net/http's parser reads as the same request with the same framing, and so it
// reads what the client sent.
func FuzzHead(f *testing.F) {
	for _, s := range []string{
		"GET / HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n",
		"POST /a?b=c HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close, X\r\nX: y\r\n\r\nabc",
		"PUT http://a/b HTTP/1.1\r\nHost: A\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\nTE: trailers\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.0\r\nHost: a:80\r\nUpgrade: websocket\r\nConnection: upgrade\r\nCookie: a=b; c\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nhost: [::1]:80\r\nX_Forwarded_For: 1\r\nForwarded: for=1\r\n\r\n",
		"\r\nGET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length, \r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	client := NewClient(netip.MustParseAddr("127.0.0.1"), false)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Request
		if r.Read(readerOf(b), 1<<16, 200) != nil || r.Minor == 2 || string(r.Method) == "CONNECT" {
			return
		}
		out := AppendRequest(nil, &r, &client, Target{})
		br := bufio.NewReader(bytes.NewReader(append(out, "rest"...)))
		req, err := http.ReadRequest(br)
		if err != nil {
			t.Fatalf("%v: %q became %q", err, b, out)
		}
		if req.Method != string(r.Method) || req.RequestURI != string(r.Target) || req.Host != string(r.Host) || req.ProtoMinor != 1 {
			t.Fatalf("%q became %q", b, out)
		}
		if req.ContentLength != r.Length {
			t.Fatalf("a body of %d became one of %d: %q became %q", r.Length, req.ContentLength, b, out)
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
		// net/http is the parser of the general path: it must see the same request.
		direct, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b, "\r\n"))))
		if err != nil {
			return
		}
		if direct.Method != string(r.Method) || direct.ContentLength != r.Length || direct.Host != string(r.Host) && direct.URL.Host == "" {
			t.Fatalf("net/http reads %s of %d for %s, this package %s of %d for %s in %q", direct.Method, direct.ContentLength, direct.Host, r.Method, r.Length, r.Host, b)
		}
		for _, f := range r.Fields {
			if f.Kind == KindOther && !contains(direct.Header.Values(string(f.Name)), string(f.Value)) {
				t.Fatalf("net/http does not read %s: %q in %q", f.Name, f.Value, b)
			}
		}
	})
}

// contains reports whether a value is in a list, but for blanks around it.
func contains(list []string, v string) bool {
	for _, s := range list {
		if strings.Trim(s, " \t") == v {
			return true
		}
	}
	return false
}

// FuzzHost: what is taken for a host name is one, and no longer than it may be.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"", "a", "A.b:80", "[::1]:80", "a.", "..", ":80", "[", "a@b", "a/b", "\x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var buf [MaxHost]byte
		name, port, ok := SplitHost(&buf, b)
		if !ok {
			return
		}
		if len(name) == 0 || len(name) > MaxHost || !bytes.HasPrefix(bytes.ToLower(b), name) || bytes.ContainsAny(name, "/@?# \"\r\n") || bytes.ContainsAny(b, "\r\n\"") {
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
		h, err := readTrailer(readerOf(b))
		if err != nil {
			return
		}
		again, err := readTrailer(readerOf(appendTrailer(nil, h)))
		if err != nil || len(again) != len(h) {
			t.Fatalf("%q gave %v, and that gave %v, %v", b, h, again, err)
		}
		for k := range h {
			if !trailerField([]byte(k)) {
				t.Fatalf("%q is in a trailer", k)
			}
		}
	})
}
