package http1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestLenientHeads: heads as servers that were written by hand send them.
func TestLenientHeads(t *testing.T) {
	for name, tc := range map[string]struct {
		head   string
		want   string // the fields for the client; "": the head is refused
		status int
		length int64 // of the body
	}{
		"CR LF":                     {"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\n", "A: b\r\n", 200, 2},
		"LF alone":                  {"HTTP/1.0 200 OK\nContent-Type: text/plain\n\n", "Content-Type: text/plain\r\n", 200, ToEndLength},
		"LF first":                  {"HTTP/1.1 200 OK\nA: b\r\nC: d\n\r\n", "A: b\r\nC: d\r\n", 200, ToEndLength},
		"LF last":                   {"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\n", "A: b\r\nC: d\r\n", 200, ToEndLength},
		"LF, no fields":             {"HTTP/1.1 204 No Content\n\n", " ", 204, 0},
		"empty lines before":        {"\r\n\n\r\nHTTP/1.1 200 OK\nA: b\n\n", "A: b\r\n", 200, ToEndLength},
		"no reason":                 {"HTTP/1.1 200\r\nA: b\r\n\r\n", "A: b\r\n", 200, ToEndLength},
		"no reason, LF":             {"HTTP/1.1 404 \nA: b\n\n", "A: b\r\n", 404, ToEndLength},
		"blanks before the status":  {"HTTP/1.1   200 OK\r\nA: b\r\n\r\n", "A: b\r\n", 200, ToEndLength},
		"folded":                    {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A: b   c  \td\r\nE: f\r\n", 200, ToEndLength},
		"folded, LF":                {"HTTP/1.1 200 OK\nA:\n b\nE: f\n\n", "A: b\r\nE: f\r\n", 200, ToEndLength},
		"folded coding":             {"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", " ", 200, ChunkedLength},
		"blank before the colon":    {"HTTP/1.1 200 OK\r\nA : b\r\nContent-Length\t: 3\r\n\r\n", "A: b\r\n", 200, 3},
		"length twice":              {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", " ", 200, 3},
		"coding and length":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", " ", 200, ChunkedLength},
		"coding in 1.0":             {"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", " ", 200, 3},
		"not for the client":        {"HTTP/1.1 200 OK\r\nConnection: X\r\nX: y\r\nKeep-Alive: timeout=5\r\nA: b\r\n\r\n", "A: b\r\n", 200, ToEndLength},
		"interim":                   {"HTTP/1.1 103 Early Hints\nLink: a\n\n", "Link: a\r\n", 103, ToEndLength},
		"CR in a value":             {"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n", "", 0, 0},
		"CR CR LF":                  {"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n", "", 0, 0},
		"CR in the first line":      {"HTTP/1.1 200 O\rK\r\nA: b\r\n\r\n", "", 0, 0},
		"CR alone at the end":       {"HTTP/1.1 200 OK\rA: b\r\r", "", 0, 0},
		"NUL":                       {"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n", "", 0, 0},
		"blank in a name":           {"HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", "", 0, 0},
		"no name":                   {"HTTP/1.1 200 OK\r\n: c\r\n\r\n", "", 0, 0},
		"no colon":                  {"HTTP/1.1 200 OK\r\nA\r\n\r\n", "", 0, 0},
		"folded before any field":   {"HTTP/1.1 200 OK\r\n A: b\r\n\r\n", "", 0, 0},
		"different lengths":         {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", "", 0, 0},
		"negative length":           {"HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n", "", 0, 0},
		"two codings":               {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "", 0, 0},
		"another coding":            {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "", 0, 0},
		"status of two digits":      {"HTTP/1.1 20 OK\r\n\r\n", "", 0, 0},
		"status 099":                {"HTTP/1.1 099 OK\r\n\r\n", "", 0, 0},
		"version 2":                 {"HTTP/2.0 200 OK\r\n\r\n", "", 0, 0},
		"version 1.2":               {"HTTP/1.2 200 OK\r\n\r\n", "", 0, 0},
		"no version (HTTP/0.9)":     {"<html>hello</html>\n\n", "", 0, 0},
		"another protocol":          {"SSH-2.0-OpenSSH_9.2\r\n", "", 0, 0},
		"end in the middle of it":   {"HTTP/1.1 200 OK\nA: b\n", "", 0, 0},
		"end in the middle of a CR": {"HTTP/1.1 200 OK\nA: b\n\r", "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var r Response
			from := readerOf([]byte(tc.head + "body"))
			err := r.Read(from, 1<<16)
			if (err != nil) != (tc.want == "") {
				t.Fatalf("%q: %v", tc.head, err)
			}
			if err != nil {
				return
			}
			if got := string(r.AppendFields(nil)); got != strings.TrimSpace(tc.want)+map[bool]string{true: "\r\n"}[strings.TrimSpace(tc.want) != ""] {
				t.Errorf("fields %q, want %q", got, tc.want)
			}
			if got := r.BodyLength([]byte("GET")); r.Status != tc.status || got != tc.length {
				t.Errorf("status %d, length %d", r.Status, got)
			}
			if got := string(from.Pending()); got != "body" {
				t.Errorf("the body begins %q", got)
			}
		})
	}
}

// TestNotHTTPIsKnownEarly: an answer that is none of HTTP/1 is not waited for.
func TestNotHTTPIsKnownEarly(t *testing.T) {
	in, out := io.Pipe()
	defer out.Close()
	go out.Write([]byte("220 "))
	from := readerOf(nil)
	from.Reader = bufio.NewReader(in)
	var r Response
	if err := r.Read(from, 1<<16); err != ErrNotHTTP {
		t.Errorf("%v", err)
	}
}

// TestReusable: when the connection can be used again.
func TestReusable(t *testing.T) {
	for head, want := range map[string]bool{
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n":                                  true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n":          false,
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n":                                  false,
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n":        true,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n":    false,
		"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\n": false,
	} {
		var r Response
		if err := r.Read(readerOf([]byte(head)), 1<<16); err != nil || r.Reusable != want {
			t.Errorf("%q: %v, %v", head, r.Reusable, err)
		}
	}
}

// FuzzResponse: a head that is read here and by net/http means the same to both,
// and what is written of it for the client is read by net/http as the same.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nA: b\r\n\r\n", "HTTP/1.0 200 OK\nA: b\n\n", "HTTP/1.1 200\r\nA: b\r\n c\r\n\td\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A, Host\r\n\r\n", "HTTP/1.1 200 OK\r\nConnection: close, A\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", "\n\nHTTP/1.1 304 Not Modified\r\nA : b\r\n\r\n", "HTTP/1.1 200 OK\r\nA: b\rc\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Response
		if r.Read(readerOf(b), 1<<16) != nil {
			return
		}
		out := append(r.AppendFields(AppendStatusLine(nil, r.Status, r.Reason)), "\r\n"...)
		written, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(out)), &http.Request{Method: "HEAD"})
		if err != nil {
			t.Fatalf("%v: %q became %q", err, b, out)
		}
		for _, f := range r.Fields {
			if r.Passes(f) && f.Kind == KindOther && !contains(written.Header.Values(string(f.Name)), string(f.Value)) {
				t.Fatalf("%q became %q", b, out)
			}
		}
		read, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(bytes.TrimLeft(b, "\r\n"))), &http.Request{Method: "GET"})
		if err != nil {
			return
		}
		length := r.BodyLength([]byte("GET"))
		if length == ToEndLength {
			length = -1
		}
		if read.StatusCode != r.Status || r.Status >= 200 && read.ContentLength != length {
			t.Fatalf("net/http reads %d with %d bytes, this package %d with %d in %q", read.StatusCode, read.ContentLength, r.Status, length, b)
		}
	})
}
