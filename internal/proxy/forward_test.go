package proxy

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/proxy/buffers"
)

// TestForward has what every proxy must do: httputil's own cases among them.
func TestForward(t *testing.T) {
	seen := make(chan *http.Request, 1)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(b))
		seen <- r
		h := w.Header()
		h.Set("X-One", "1")
		h.Add("Set-Cookie", "a=1; Path=/")
		h.Add("Set-Cookie", "b=2; HttpOnly")
		h.Set("Connection", "close, X-Hop")
		h.Set("X-Hop", "no")
		h.Set("Trailer", "X-Sum")
		h.Set("Te", "no")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "tea")
		h.Set("X-Sum", "3")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		req, err := http.NewRequest("POST", base+"/a%2Fb/c?q=%41&x=1;2", strings.NewReader("milk"))
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range [][2]string{
			{"X-Forwarded-For", "6.6.6.6"}, {"X-Forwarded-Host", "evil"}, {"Forwarded", "for=6.6.6.6"}, {"X_Forwarded_For", "6.6.6.6"},
			{"Proxy-Authorization", "secret"}, {"Proxy-Connection", "keep-alive"}, {"X-End", "to-end"}, {"Cookie", `a=1; b="x,y"; c`},
		} {
			req.Header.Set(kv[0], kv[1])
		}
		if proto == "h1" || proto == "https1" {
			req.Header.Set("Connection", "X-Mine")
			req.Header.Set("X-Mine", "no")
			req.Header.Set("Keep-Alive", "300")
		}
		res, err := r.client(proto).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := bodyOf(t, res)
		in := within(t, seen, "the request")
		if res.StatusCode != http.StatusTeapot || body != "tea" {
			t.Errorf("answer %d %q", res.StatusCode, body)
		}
		if got := res.Header["Set-Cookie"]; len(got) != 2 || got[0] != "a=1; Path=/" || got[1] != "b=2; HttpOnly" {
			t.Errorf("cookies %q", got)
		}
		if res.Header.Get("X-Hop") != "" || res.Header.Get("Te") != "" || res.Header.Get("X-One") != "1" {
			t.Errorf("answer's header %v", res.Header)
		}
		if res.Trailer.Get("X-Sum") != "3" {
			t.Errorf("trailer %v", res.Trailer)
		}
		if in.Method != "POST" || in.RequestURI != "/a%2Fb/c?q=%41&x=1;2" || in.Host != "web.shop.localhost" || in.Proto != "HTTP/1.1" {
			t.Errorf("request %s %s %s %s", in.Method, in.RequestURI, in.Host, in.Proto)
		}
		if b, _ := io.ReadAll(in.Body); string(b) != "milk" || in.ContentLength != 4 {
			t.Errorf("body %q of %d", b, in.ContentLength)
		}
		scheme, port := "http", "80"
		if strings.HasPrefix(base, "https") {
			scheme, port = "https", "443"
		}
		want := map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "web.shop.localhost", "X-Forwarded-Proto": scheme, "X-Forwarded-Port": port,
			"Forwarded": "for=127.0.0.1;proto=" + scheme + `;host="web.shop.localhost"`, "Cdn-Loop": "lodge", "X-End": "to-end", "Cookie": `a=1; b="x,y"; c`,
			"X_forwarded_for": "", "Proxy-Authorization": "", "Proxy-Connection": "", "X-Mine": "", "Keep-Alive": "", "Connection": "",
		}
		for k, v := range want {
			if got := strings.Join(in.Header.Values(k), "|"); got != v {
				t.Errorf("%s is %q, want %q", k, got, v)
			}
		}
	})
}

// TestHeadIsKept: names, order and repetition of fields reach the service as
// the client wrote them.
func TestHeadIsKept(t *testing.T) {
	heads := make(chan string, 1)
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		h, err := readHead(br)
		if err != nil {
			return
		}
		heads <- h
		io.WriteString(c, "HTTP/1.1 200 Fine by me\r\nx-lower: 1\r\nContent-Length: 0\r\n\r\n")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	res := r.ask(r.dial(), "GET /x HTTP/1.1\r\nB: 2\r\nhOST: Web.Shop.LOCALHOST:8080\r\na: 1\r\nB:3\r\nUser-Agent: me\r\nEmpty:\r\n\r\n", "GET")
	if res.Status != "200 Fine by me" || res.Header.Get("X-Lower") != "1" {
		t.Errorf("answer %q %v", res.Status, res.Header)
	}
	want := "GET /x HTTP/1.1\r\nHost: Web.Shop.LOCALHOST:8080\r\nB: 2\r\na: 1\r\nB: 3\r\nUser-Agent: me\r\nEmpty: \r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: Web.Shop.LOCALHOST:8080\r\nX-Forwarded-Port: 8080\r\n" +
		"Forwarded: for=127.0.0.1;proto=http;host=\"Web.Shop.LOCALHOST:8080\"\r\nCDN-Loop: lodge\r\n\r\n"
	if got := within(t, heads, "the request"); got != want {
		t.Errorf("the service got\n%s\nwant\n%s", got, want)
	}
}

// TestBodies: bodies of every framing and size arrive as they were sent, both
// ways, over every protocol.
func TestBodies(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		var body []byte
		if r.URL.Query().Has("hash") {
			io.Copy(h, r.Body)
			body = h.Sum(nil)
		} else {
			body, _ = io.ReadAll(r.Body)
		}
		if r.URL.Query().Has("length") {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		w.WriteHeader(200)
		if f, ok := w.(http.Flusher); ok && !r.URL.Query().Has("length") {
			f.Flush()
		}
		w.Write(body)
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	block := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB
	eachProto(t, func(t *testing.T, proto, base string) {
		c := r.client(proto)
		for _, n := range []int{0, 1, 100, buffers.ReadSize - 1, buffers.ReadSize, buffers.ReadSize + 1, buffers.CopySize, buffers.CopySize + 1, 70000, len(block)} {
			for _, query := range []string{"?length", "?"} {
				for _, chunked := range []bool{false, true} {
					var body io.Reader = bytes.NewReader(block[:n])
					if chunked {
						body = struct{ io.Reader }{body}
					}
					res, err := c.Post(base+"/"+query, "text/plain", body)
					if err != nil {
						t.Fatal(err)
					}
					if got := bodyOf(t, res); got != string(block[:n]) {
						t.Errorf("%d bytes, %s, chunked %v: %d came back", n, query, chunked, len(got))
					}
				}
			}
		}
		// 64 MiB, which fit in no buffer.
		h := sha256.New()
		res, err := c.Post(base+"/?hash&length", "text/plain", io.TeeReader(io.LimitReader(repeat(block), 64<<20), h))
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, res); got != string(h.Sum(nil)) {
			t.Error("64 MiB arrived otherwise than they were sent")
		}
	})
}

// repeat reads a block for ever.
type repeated struct {
	block []byte
	at    int
}

func repeat(b []byte) *repeated { return &repeated{block: b} }

func (r *repeated) Read(b []byte) (int, error) {
	n := copy(b, r.block[r.at:])
	r.at = (r.at + n) % len(r.block)
	return n, nil
}

// TestStatuses: answers without a body, and HEAD, leave the connection in step.
func TestStatuses(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "5")
			io.WriteString(w, "hello")
		}
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		c := r.client(proto)
		for range 3 {
			for _, tc := range []struct {
				method, path, body string
				status             int
				length             int64
			}{{"GET", "/204", "", 204, 0}, {"GET", "/304", "", 304, -1}, {"HEAD", "/", "", 200, 5}, {"GET", "/", "hello", 200, 5}} {
				req, _ := http.NewRequest(tc.method, base+tc.path, nil)
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(tc, err)
				}
				if got := bodyOf(t, res); got != tc.body || res.StatusCode != tc.status {
					t.Errorf("%s %s: %d %q", tc.method, tc.path, res.StatusCode, got)
				}
				if tc.status == 200 && res.ContentLength != tc.length {
					t.Errorf("%s %s: length %d", tc.method, tc.path, res.ContentLength)
				}
			}
		}
	})
}

// TestHTTP10: clients and services of HTTP/1.0.
func TestHTTP10(t *testing.T) {
	chunked := canned(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\n\r\n")
	toEnd := canned(t, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nhello world")
	r := newRig(t, Config{})
	r.serve(at("web", chunked), at("api", toEnd))
	for _, host := range []string{"web", "api"} {
		res := r.ask(r.dial(), "GET / HTTP/1.0\r\nHost: "+host+".shop.localhost\r\n\r\n", "GET")
		if got := bodyOf(t, res); got != "hello world" || len(res.TransferEncoding) > 0 {
			t.Errorf("%s to HTTP/1.0: %q, coding %v", host, got, res.TransferEncoding)
		}
		for _, p := range protos {
			if status, got := get(t, r.client(p.name), p.scheme+"://"+host+".shop.localhost/"); got != "hello world" || status != 200 {
				t.Errorf("%s to %s: %d %q", host, p.name, status, got)
			}
		}
	}
	// Keep-alive, as ab asks for it.
	r.serve(at("web", backend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") })))
	c := r.dial()
	for range 3 {
		res := r.ask(c, "GET / HTTP/1.0\r\nHost: web.shop.localhost\r\nConnection: keep-alive\r\n\r\n", "GET")
		if bodyOf(t, res) != "x" || res.Header.Get("Connection") != "keep-alive" {
			t.Errorf("keep-alive: %v", res.Header)
		}
	}
}

// TestPipeline: requests that come at once are answered in their order.
func TestPipeline(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.URL.Path) })
	r := newRig(t, Config{})
	r.serve(at("web", up))
	c := r.dial()
	var all strings.Builder
	for i := range 50 {
		fmt.Fprintf(&all, "\r\nGET /%d HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n", i)
	}
	if _, err := io.WriteString(c, all.String()); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	for i := range 50 {
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, res); got != fmt.Sprintf("/%d", i) {
			t.Fatalf("answer %d is %q", i, got)
		}
	}
}

// TestInterim: 103 Early Hints reach the client before the answer.
func TestInterim(t *testing.T) {
	go1 := make(chan struct{})
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Link", "</a.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		<-go1
		w.Header().Del("Link")
		io.WriteString(w, "page")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		hints := make(chan string, 1)
		req, _ := http.NewRequest("GET", base, nil)
		req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			hints <- fmt.Sprint(code, h.Get("Link"))
			return nil
		}}))
		type answered struct {
			res *http.Response
			err error
		}
		done := make(chan answered, 1)
		go func() {
			res, err := r.client(proto).Do(req)
			done <- answered{res, err}
		}()
		if got := within(t, hints, "103"); got != "103</a.css>; rel=preload" {
			t.Errorf("hints %q", got)
		}
		go1 <- struct{}{} // the answer is made only now
		a := within(t, done, "the answer")
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := bodyOf(t, a.res); got != "page" || a.res.Header.Get("Link") != "" {
			t.Errorf("answer %q %v", got, a.res.Header)
		}
	})
}

// TestExpect: the body is sent when the service has asked for it, and a refusal
// reaches a client that has sent none.
func TestExpect(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		b, _ := io.ReadAll(r.Body)
		w.Write(b)
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	c := r.dial()
	br := bufio.NewReader(c)
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
	line, err := readHead(br)
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 Continue\r\n") {
		t.Fatalf("got %q, %v", line, err)
	}
	io.WriteString(c, "body")
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := bodyOf(t, res); got != "body" {
		t.Errorf("echo %q", got)
	}
	res = r.ask(c, "POST /no HTTP/1.1\r\nHost: web.shop.localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", "POST")
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("refused with %s", res.Status)
	}
	res = r.ask(r.dial(), "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nExpect: a-miracle\r\n\r\n", "GET")
	if res.StatusCode != http.StatusExpectationFailed {
		t.Errorf("unknown expectation: %s", res.Status)
	}
}

// TestEndpoints: services that are only on IPv6, on a Unix socket, or on the
// second of their addresses.
func TestEndpoints(t *testing.T) {
	say := func(what string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, what) }
	}
	six := backendOn(t, listen(t, "[::1]:0"), say("six"))
	path := filepath.Join(t.TempDir(), "s.sock")
	uln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	backendOn(t, uln, say("unix"))
	four := backend(t, say("four"))
	closed, _ := refusing(t)
	r := newRig(t, Config{})
	unixService := Service{ID: "shop/u", Project: "shop", Names: NamesOf("u", "shop", false), Endpoints: []Endpoint{{Path: path}}}
	second := at("second", closed)
	second.Endpoints = append(second.Endpoints, Endpoint{Addr: netip.MustParseAddrPort(four)})
	r.serve(at("six", six), unixService, second)
	for host, want := range map[string]string{"six": "six", "u": "unix", "second": "four"} {
		for range 3 {
			for _, proto := range []string{"h1", "h2c"} {
				if status, got := get(t, r.client(proto), "http://"+host+".shop.localhost/"); got != want || status != 200 {
					t.Errorf("%s over %s: %d %q", host, proto, status, got)
				}
			}
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

// TestKeepAlive: many requests share few connections to the service, and one
// that the service has closed is not noticed by anyone.
func TestKeepAlive(t *testing.T) {
	conns := make(chan struct{}, 1000)
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		conns <- struct{}{}
		for range 3 { // and then it closes without a word
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			io.Copy(io.Discard, req.Body)
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		for len(conns) > 0 {
			<-conns
		}
		c := r.client(proto)
		for i := range 60 {
			// Of those that may be sent twice: with others it is the service's
			// fault, who should say that it closes.
			req, _ := http.NewRequest("PUT", base, strings.NewReader(strings.Repeat("x", i)))
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := bodyOf(t, res); got != "ok" || res.StatusCode != 200 {
				t.Fatalf("request %d: %d %q", i, res.StatusCode, got)
			}
		}
		if n := len(conns); n > 21 {
			t.Errorf("60 requests made %d connections", n)
		}
	})
}
