package content

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
)

func conn(secrets bool) *decode.Conn {
	return decode.NewConn(decode.Options{Limits: decode.DefaultLimits(), Secrets: secrets}, func(*decode.Exchange) {}, nil)
}

func TestHeader(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"Authorization", "Bearer abc.def", "Bearer •••"},
		{"authorization", "opaque", "•••"},
		{"Proxy-Authorization", "Basic dTpw", "Basic •••"},
		{"Authorization", `Digest username="Mufasa", response="1"`, "Digest •••"},
		{"Cookie", "a=1; session=xyz; flag", "a=•••; session=•••;•••"},
		{"Set-Cookie", "sid=123; Path=/; HttpOnly; SameSite=Lax", "sid=•••; Path=/; HttpOnly; SameSite=Lax"},
		{"Set-Cookie", "sid=; Max-Age=0", "sid=; Max-Age=0"},
		{"X-Api-Key", "k", "•••"},
		{"X-CSRF-Token", "k", "•••"},
		{"Ocp-Apim-Subscription-Key", "k", "•••"},
		{"Idempotency-Key", "k", "k"},
		{"Sec-WebSocket-Key", "k", "k"},
		{"Location", "/cb?code=1&access_token=x#id_token=y", "/cb?code=•••&access_token=•••#id_token=•••"},
		{"Referer", "http://u:p@h/?password=1", "http://u:•••@h/?password=•••"},
		{"X-Original-URI", "/?token=1", "/?token=•••"},
		{"Content-Type", "text/plain", "text/plain"},
		{"", "v", "v"},
		{"Authorization", "", ""},
	} {
		if got := Header(conn(false), tt.name, tt.value); got != tt.want {
			t.Errorf("Header(%q, %q) = %q, want %q", tt.name, tt.value, got, tt.want)
		}
		if got := Header(conn(true), tt.name, tt.value); got != tt.value {
			t.Errorf("with secrets: Header(%q, %q) = %q", tt.name, tt.value, got)
		}
	}
}

func TestTarget(t *testing.T) {
	for target, want := range map[string]string{
		"/":                                 "/",
		"/a?b=c":                            "/a?b=c",
		"/a?b=c&access_token=x&y":           "/a?b=c&access_token=•••&y",
		"/a?user[password]=x":               "/a?user[password]=•••",
		"/a?user%5Bpassword%5D=x":           "/a?user%5Bpassword%5D=•••",
		"/a?API-Key=1&clientSecret=2&pwd=":  "/a?API-Key=•••&clientSecret=•••&pwd=",
		"/a?page_token=1&max=2":             "/a?page_token=1&max=2",
		"/a#access_token=1&b":               "/a#access_token=•••&b",
		"http://user:secret@host:1/x?sig=1": "http://user:•••@host:1/x?sig=•••",
		"http://user@host/":                 "http://user@host/",
		"/mail/a@b?x=1":                     "/mail/a@b?x=1",
		"/go?to=http://u:p@h/":              "/go?to=http://u:•••@h/",
	} {
		if got := Target(conn(false), target); got != want {
			t.Errorf("Target(%q) = %q, want %q", target, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	for target, want := range map[string]string{
		"/": "/", "*": "*", "": "", "example.com:443": "example.com:443",
		"/users":                 "/users",
		"/users/42":              "/users/{id}",
		"/users/42/orders/7?x=1": "/users/{id}/orders/{id}",
		"/u/6F9619FF-8B86-D011-B42D-00CF4FC964FF/x": "/u/{id}/x",
		"/o/507f1f77bcf86cd799439011":               "/o/{id}",
		"/o/deadbeefdeadbeef":                       "/o/{id}",
		"/o/deadbeef":                               "/o/deadbeef",
		"/e/01ARZ3NDEKTSV4RRFFQ69G5FAV":             "/e/{id}",
		"/img/1234.png":                             "/img/{id}.png",
		"/v1/api2/a1":                               "/v1/api2/a1",
		"/v1/7/":                                    "/v1/{id}/",
		"//7//":                                     "//{id}//",
		"http://h:80/users/1?a":                     "/users/{id}",
		"http://h":                                  "/",
		"/a?b=http://c/1":                           "/a",
		"/internationalisation/x":                   "/internationalisation/x",
	} {
		if got := Template(target); got != want {
			t.Errorf("Template(%q) = %q, want %q", target, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	multi := "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n%s\r\n--b--\r\n"
	for _, tt := range []struct{ contentType, body, want string }{
		{"application/x-www-form-urlencoded; charset=UTF-8", "user=ann&password=pw", "user=ann&password=•••"},
		{"application/json", `{"user":"ann","password" : "p\"w","max_tokens":5,"token":"a"}`, `{"user":"ann","password" : "•••","max_tokens":5,"token":"•••"}`},
		{"", `[{"apiKey":"x"},{"apiKey":""}]`, `[{"apiKey":"•••"},{"apiKey":""}]`},
		{"application/vnd.api+json", `{"secret":"cut o`, `{"secret":"•••`},
		{"application/json", `{"password`, `{"password`},
		{"text/event-stream", `data: {"secret":"x"}`, `data: {"secret":"•••"}`},
		{"text/html", `<a href="password">`, `<a href="password">`},
		{"multipart/form-data; boundary=b", strings.ReplaceAll(multi, "%s", "pw"), strings.ReplaceAll(multi, "%s", "•••")},
		{"image/png", `{"password":"x"}`, `{"password":"x"}`},
	} {
		body := []byte(tt.body)
		m := &decode.Message{Body: body}
		if Mask(conn(false), m, tt.contentType); string(m.Body) != tt.want {
			t.Errorf("Mask(%q, %q): %q, want %q", tt.contentType, tt.body, m.Body, tt.want)
		}
		if string(body) != tt.body {
			t.Errorf("Mask changed its argument: %q", body)
		}
	}
}

func TestMaskIsBounded(t *testing.T) {
	c := conn(false)
	c.Limits.Body = 20
	m := &decode.Message{Body: []byte(`{"a":1,"token":"x"}`)}
	if Mask(c, m, ""); string(m.Body) != `{"a":1,"token":"•` || !m.Truncated { // not within a character
		t.Errorf("%q, truncated %v", m.Body, m.Truncated)
	}
}

func TestParts(t *testing.T) {
	body := []byte("preamble\r\n--x y\r\nContent-Disposition: form-data; name=\"a;b\"\r\n\r\n1\r\n--x y\r\n" +
		"Content-Disposition: form-data; name=f; filename=\"a \\\"b\\\".txt\"\r\nContent-Type: text/plain\r\n\r\n\r\nfile--x y\r\n--x y--\r\nepilogue")
	parts := Parts(`multipart/form-data; boundary="x y"`, body)
	if len(parts) != 2 {
		t.Fatalf("%d parts: %+v", len(parts), parts)
	}
	if p := parts[0]; p.Name != "a;b" || string(body[p.Begin:p.End]) != "1" {
		t.Errorf("first: %+v %q", p, body[p.Begin:p.End])
	}
	if p := parts[1]; p.Name != "f" || p.Filename != `a "b".txt` || p.Type != "text/plain" || string(body[p.Begin:p.End]) != "\r\nfile--x y" {
		t.Errorf("second: %+v %q", p, body[p.Begin:p.End])
	}
	for i := range body {
		Parts(`multipart/form-data; boundary="x y"`, body[:i])
	}
}

func TestIsText(t *testing.T) {
	for _, tt := range []struct {
		contentType, body string
		want              bool
	}{
		{"text/plain", "grün\n", true},
		{"", "gr\xc3", true},
		{"", "\xc3(", false},
		{"application/octet-stream", "\x00", false},
		{"image/png", "text", false},
		{"image/svg+xml", "<svg/>", true},
	} {
		if got := IsText(tt.contentType, []byte(tt.body)); got != tt.want {
			t.Errorf("IsText(%q, %q) = %v", tt.contentType, tt.body, got)
		}
	}
}

func gz(s string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

func zl(s string) []byte {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = io.WriteString(w, s)
	_ = w.Close()
	return b.Bytes()
}

func TestFill(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 10000)
	for _, tt := range []struct {
		name, coding   string
		body           []byte
		want, encoding string
		unknown        string
		truncated      bool
	}{
		{name: "none", body: []byte("x"), want: "x"},
		{name: "identity", coding: "identity", body: []byte("x"), want: "x"},
		{name: "gzip", coding: "GZIP", body: gz("hello"), want: "hello", encoding: "gzip"},
		{name: "x-gzip", coding: "x-gzip", body: gz("hello"), want: "hello", encoding: "x-gzip"},
		{name: "zlib", coding: "deflate", body: zl("hello"), want: "hello", encoding: "deflate"},
		{name: "raw deflate", coding: "deflate", body: zl("hello")[2:], want: "hello", encoding: "deflate"},
		{name: "two", coding: "deflate, gzip", body: gz(string(zl("hello"))), want: "hello", encoding: "deflate, gzip"},
		{name: "more than is kept", coding: "gzip", body: gz(long), want: long[:64<<10], encoding: "gzip", truncated: true},
		{name: "br", coding: "br", body: []byte("\x0b\x02\x80"), want: "\x0b\x02\x80", encoding: "br", unknown: "body is br-compressed"},
		{name: "br in gzip", coding: "br, gzip", body: gz("BR"), want: "BR", encoding: "br", unknown: "body is br-compressed"},
		{name: "not gzip", coding: "gzip", body: []byte("hello, this is text"), want: "hello, this is text", encoding: "gzip", unknown: "body is not gzip, as its header says: gzip: invalid header"},
		{name: "damaged", coding: "gzip", body: gz("hello")[:14], want: "hell", encoding: "gzip", unknown: "body is damaged", truncated: true},
		{name: "secret", coding: "gzip", body: gz(`{"password":"x"}`), want: `{"password":"•••"}`, encoding: "gzip"},
	} {
		m := &decode.Message{Body: tt.body, BodyBytes: int64(len(tt.body))}
		if tt.coding != "" {
			m.Header = []decode.Field{{Name: "Content-Encoding", Value: tt.coding}}
		}
		unknown := strings.Join(Fill(conn(false), m), "; ")
		if tt.name == "damaged" {
			if len(m.Body) > 5 || !strings.HasPrefix(unknown, tt.unknown) || !m.Truncated {
				t.Errorf("damaged: %q, %q, %v", m.Body, unknown, m.Truncated)
			}
			continue
		}
		if string(m.Body) != tt.want || m.Encoding != tt.encoding || unknown != tt.unknown || m.Truncated != tt.truncated {
			t.Errorf("%s: body %.40q encoding %q unknown %q truncated %v", tt.name, m.Body, m.Encoding, unknown, m.Truncated)
		}
	}
}

// TestStream holds that what was flushed can be had at once, whatever the pieces
// in which it comes.
func TestStream(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	texts := []string{"data: one\n\n", "data: two, as one\n\n", strings.Repeat("data: \x00\x00\xff\xff", 40), "x"}
	for _, coding := range []string{"gzip", "deflate", "raw", ""} {
		var b bytes.Buffer
		var w interface {
			io.Writer
			Flush() error
			Close() error
		}
		switch coding {
		case "gzip":
			g, _ := gzip.NewWriterLevel(&b, flate.BestSpeed)
			g.Name, g.Comment, g.Extra = "name", "comment", []byte("12345")
			w = g
		case "deflate":
			w = zlib.NewWriter(&b)
		default:
			w, _ = flate.NewWriter(&b, flate.NoCompression)
		}
		var cuts []int
		want := ""
		if coding == "" {
			b.WriteString(strings.Join(texts, ""))
			want = b.String()
		} else {
			for _, s := range texts {
				_, _ = io.WriteString(w, s)
				_ = w.Flush()
				cuts = append(cuts, b.Len())
				want += s
			}
			_, _ = io.WriteString(w, "tail")
			_ = w.Close()
			want += "tail"
		}
		name := coding
		if coding == "raw" {
			name = "deflate"
		}
		for round := range 20 {
			s := NewStream(name, 1<<20)
			got, in := "", b.Bytes()
			for at := 0; at < len(in); {
				n := 1
				if round > 0 {
					n = min(1+r.IntN(50), len(in)-at)
				}
				out, err := s.Write(in[at : at+n])
				if err != nil {
					t.Fatal(err)
				}
				got += string(out)
				at += n
				for i, cut := range cuts {
					if want := strings.Join(texts[:i+1], ""); at >= cut && len(got) < len(want) && coding != "raw" {
						t.Fatalf("%s: %q is flushed and %q is there", coding, want, got)
					}
				}
			}
			if got += string(s.Close()); got != want {
				t.Fatalf("%s: %q, want %q", coding, got, want)
			}
		}
	}
	if NewStream("br", 1) != nil || NewStream("gzip, deflate", 1) != nil {
		t.Error("a stream for what cannot be undone")
	}
}

func TestStreamIsBounded(t *testing.T) {
	s := NewStream("deflate", 1000)
	noise := make([]byte, 600)
	if _, err := s.Write(append([]byte{0, 255, 255, 0, 0}, noise...)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(noise); err == nil || len(s.held) > 0 {
		t.Errorf("more than the limit is held: %d, %v", len(s.held), err)
	}
}

func TestInflaterKeepsItsWindow(t *testing.T) {
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.BestCompression)
	r := rand.New(rand.NewPCG(3, 4))
	word := make([]byte, 1000)
	for i := range word {
		word[i] = byte(r.Uint32())
	}
	var f Inflater
	for i := range 300 {
		message := append(word[:900:900], byte(i))
		if i%7 == 0 {
			message = bytes.Repeat(message, 60)
		}
		b.Reset()
		_, _ = w.Write(message)
		_ = w.Flush()
		piece := bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff"))
		out, n, err := f.Piece(piece, true, 100, 1<<20)
		if err != nil || n != int64(len(message)) || !bytes.Equal(out, message[:100]) {
			t.Fatalf("message %d: %d of %d bytes, %v", i, n, len(message), err)
		}
	}
	if _, _, err := f.Piece([]byte{0xff}, true, 10, 10); err == nil {
		t.Error("no error for what is not compressed")
	}
	b.Reset()
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Flush()
	if _, _, err := f.Piece(b.Bytes(), true, 10, 1000); err != ErrTooMuch {
		t.Errorf("a bomb: %v", err)
	}
}

func FuzzContent(f *testing.F) {
	f.Add("gzip", gz("hello"), uint8(3))
	f.Add("deflate", zl(`{"password":"x"}`), uint8(7))
	f.Add("/a/1?password=x#y", []byte("--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\nx\r\n--b--"), uint8(1))
	f.Fuzz(func(t *testing.T, text string, body []byte, size uint8) {
		c := conn(false)
		c.Limits = decode.Limits{Body: 64, Message: 256}
		Target(c, text)
		Template(text)
		IsText(text, body)
		for _, name := range []string{"Authorization", "Cookie", "Set-Cookie", "Location", text} {
			Header(c, name, string(body))
		}
		for _, contentType := range []string{text, "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "application/json", ""} {
			for _, p := range Parts(contentType, body) {
				_ = body[p.Begin:p.End]
			}
			m := &decode.Message{Body: body, BodyBytes: int64(len(body)), Header: []decode.Field{{Name: "Content-Encoding", Value: text}, {Name: "Content-Type", Value: contentType}}}
			if Fill(c, m); len(m.Body) > c.Limits.Body && m.Encoding == "" && len(body) <= c.Limits.Body {
				t.Errorf("%d bytes of body", len(m.Body))
			}
		}
		for _, coding := range []string{"gzip", "deflate"} {
			pieces, whole := NewStream(coding, 256), NewStream(coding, 256)
			var a, b []byte
			for part := range slices.Chunk(body, int(size)+1) {
				out, err := pieces.Write(part)
				a = append(a, out...)
				if err != nil {
					break
				}
			}
			if len(body) <= 256 {
				out, _ := whole.Write(body)
				b = append(b, out...)
				if a, b = append(a, pieces.Close()...), append(b, whole.Close()...); !bytes.Equal(a, b) {
					t.Errorf("%s: in pieces %q, whole %q", coding, a, b)
				}
			}
		}
	})
}
