package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
)

// Servers that were written by hand, such as a shell script behind socat, do not
// always end their lines with CR LF, and need not (RFC 9112, section 2.2).

// TestServersByHand: heads that are not as they should be, and mean one thing all
// the same, reach every client as heads that are.
func TestServersByHand(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		status int
		header map[string]string
		body   string
	}{
		"LF alone":               {"HTTP/1.0 200 OK\nContent-Type: text/plain\n\nhi", 200, map[string]string{"Content-Type": "text/plain"}, "hi"},
		"LF alone, with length":  {"HTTP/1.1 200 OK\nContent-Length: 2\nX-A: b\n\nhi", 200, map[string]string{"X-A": "b"}, "hi"},
		"LF alone, chunked":      {"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\r\nhi\r\n0\r\n\r\n", 200, nil, "hi"},
		"LF, then CR LF":         {"HTTP/1.1 200 OK\nX-A: b\r\nContent-Length: 2\r\n\r\nhi", 200, map[string]string{"X-A": "b"}, "hi"},
		"CR LF, then LF":         {"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\nhi", 200, map[string]string{"X-A": "b"}, "hi"},
		"LF, body with CR LF":    {"HTTP/1.1 200 OK\nContent-Length: 8\n\n\r\n\r\nhi\r\n", 200, nil, "\r\n\r\nhi\r\n"},
		"no reason":              {"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nhi", 404, nil, "hi"},
		"folded field":           {"HTTP/1.1 200 OK\r\nX-A: b,\r\n c\r\nContent-Length: 2\r\n\r\nhi", 200, map[string]string{"X-A": "b,   c"}, "hi"},
		"folded length, LF":      {"HTTP/1.1 200 OK\nContent-Length:\n 2\n\nhi", 200, nil, "hi"},
		"blank before the colon": {"HTTP/1.1 200 OK\r\nX-A : b\r\nContent-Length: 2\r\n\r\nhi", 200, map[string]string{"X-A": "b"}, "hi"},
		"interim, LF":            {"HTTP/1.1 103 Early Hints\nLink: </a>\n\nHTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, nil, "hi"},
		"equal lengths":          {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", 200, nil, "hi"},
		"CR alone":               {"HTTP/1.1 200 OK\rX-A: b\r\rhi", 502, nil, ""},
		"CR in a value":          {"HTTP/1.1 200 OK\r\nX-A: b\rX-C: d\r\nContent-Length: 2\r\n\r\nhi", 502, nil, ""},
		"blank in a name":        {"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nhi", 502, nil, ""},
		"no status line":         {"<p>hi</p>\n", 502, nil, ""},
		"two lengths":            {"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nhi", 502, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			up := raw(t, func(c net.Conn, br *bufio.Reader) {
				if _, err := readHead(br); err == nil {
					io.WriteString(c, tc.answer)
				}
			})
			r := newRig(t, Config{})
			r.serve(at("web", up))
			eachProto(t, func(t *testing.T, proto, base string) {
				res, err := r.client(proto).Get(base)
				if err != nil {
					t.Fatal(err)
				}
				body := bodyOf(t, res)
				if res.StatusCode != tc.status || tc.status != 502 && body != tc.body {
					t.Errorf("%d %q, want %d %q", res.StatusCode, body, tc.status, tc.body)
				}
				for k, want := range tc.header {
					if got := res.Header.Get(k); got != want {
						t.Errorf("%s is %q, want %q", k, got, want)
					}
				}
			})
			// And byte by byte: every line ends in CR LF.
			c := r.dial()
			io.WriteString(c, "GET / HTTP/1.1\r\nHost: web.shop.localhost\r\nConnection: close\r\n\r\n")
			br := bufio.NewReader(c)
			for {
				head, err := readHead(br)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\n") || strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\r") {
					t.Errorf("the client gets %q", head)
				}
				if !strings.HasPrefix(head, "HTTP/1.1 1") {
					break
				}
			}
		})
	}
}

// TestKeepAliveByHand: a connection on which lines end in LF alone serves the next
// request too.
func TestKeepAliveByHand(t *testing.T) {
	conns := make(chan struct{}, 100)
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		conns <- struct{}{}
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			path := strings.Fields(head)[1]
			fmt.Fprintf(c, "HTTP/1.1 200\nContent-Length: %d\n\n%s", len(path), path)
		}
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		client := r.client(proto)
		for i := range 20 {
			path := fmt.Sprint("/", i)
			if status, got := get(t, client, base+path); status != 200 || got != path {
				t.Fatalf("%s: %d %q", path, status, got)
			}
		}
	})
	if n := len(conns); n > 4*len(protos) {
		t.Errorf("%d connections were made", n)
	}
}

// TestInterimSequence: every 1xx answer that is for the client reaches it, in
// order, from services that speak HTTP/1 and from those with TLS.
func TestInterimSequence(t *testing.T) {
	plain := raw(t, func(c net.Conn, br *bufio.Reader) {
		for {
			if _, err := readHead(br); err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\nX-N: 1\n\nHTTP/1.1 103 Early Hints\r\nX-N: 2\r\n\r\n"+
				"HTTP/1.1 103 Early Hints\r\nX-N: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	secure := at("api", secureBackend(t, plain))
	secure.Endpoints[0].Protocol = HTTPS
	r := newRig(t, Config{})
	r.serve(at("web", plain), secure)
	eachProto(t, func(t *testing.T, proto, base string) {
		for _, url := range []string{base, strings.Replace(base, "web", "api", 1)} {
			got := make(chan string, 10)
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				got <- fmt.Sprint(code, " ", h.Get("X-N"))
				return nil
			}}))
			res, err := r.client(proto).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if body := bodyOf(t, res); body != "ok" || res.Header.Get("X-N") != "" {
				t.Errorf("%s: %q %v", url, body, res.Header)
			}
			close(got)
			var all []string
			for s := range got {
				all = append(all, s)
			}
			if s := strings.Join(all, ", "); s != "102 1, 103 2, 103 3" {
				t.Errorf("%s: %s", url, s)
			}
		}
	})
}

// TestUpgradeAfterGeneralPath: a connection that has come to the general path for a
// service with TLS can still become a tunnel to any service.
func TestUpgradeAfterGeneralPath(t *testing.T) {
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		for {
			head, err := readHead(br)
			if err != nil {
				return
			}
			if !strings.Contains(head, "Upgrade: echo\r\n") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				continue
			}
			io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly ")
			b, _ := io.ReadAll(br)
			io.WriteString(c, "heard "+string(b))
			return
		}
	})
	secureUp := secureBackend(t, up)
	for _, overTLS := range []bool{false, true} {
		for _, to := range []string{"web", "api"} {
			t.Run(fmt.Sprintf("client TLS %v, to %s", overTLS, to), func(t *testing.T) {
				secure := at("api", secureUp)
				secure.Endpoints[0].Protocol = HTTPS
				r := newRig(t, Config{})
				r.serve(at("web", up), secure)
				c := r.dial()
				end := c.(*net.TCPConn).CloseWrite
				if overTLS {
					tc := tls.Client(c, &tls.Config{RootCAs: r.pool, ServerName: "web.shop.localhost"})
					c, end = tc, tc.CloseWrite
				}
				br := bufio.NewReader(c)
				for range 2 { // the first takes the connection to the general path
					io.WriteString(c, "GET / HTTP/1.1\r\nHost: api.shop.localhost\r\n\r\n")
					res, err := http.ReadResponse(br, nil)
					if err != nil {
						t.Fatal(err)
					}
					if got := bodyOf(t, res); got != "ok" {
						t.Fatal(got)
					}
				}
				// What follows the head at once belongs to the tunnel.
				io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+to+".shop.localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\none ")
				if head, err := readHead(br); err != nil || !strings.HasPrefix(head, "HTTP/1.1 101 ") || !strings.Contains(head, "Upgrade: echo\r\n") {
					t.Fatal(head, err)
				}
				io.WriteString(c, "two")
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if to == "api" { // the server in front of it tells no half of an end
					if b, err := io.ReadAll(io.LimitReader(br, 6)); string(b) != "early " {
						t.Errorf("the client heard %q, %v", b, err)
					}
				} else if b, err := io.ReadAll(br); string(b) != "early heard one two" {
					t.Errorf("the client heard %q, %v", b, err)
				}
				c.Close()
				waitOpen(t, r, 0)
			})
		}
	}
}

// TestUpgradeRefusedOnGeneralPath: a service that answers an upgrade with a page
// keeps the connection in step there too.
func TestUpgradeRefusedOnGeneralPath(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.URL.Path, r.Header.Get("Upgrade"))
	})
	secure := at("api", secureBackend(t, up))
	secure.Endpoints[0].Protocol = HTTPS
	r := newRig(t, Config{})
	r.serve(at("web", up), secure)
	c := r.dial()
	br := bufio.NewReader(c)
	for i, host := range []string{"api", "web", "api", "web"} {
		upgrade, want := "", fmt.Sprintf("/%d ", i)
		if i > 0 {
			upgrade, want = "Connection: Upgrade\r\nUpgrade: websocket\r\n", fmt.Sprintf("/%d websocket", i)
		}
		fmt.Fprintf(c, "GET /%d HTTP/1.1\r\nHost: %s.shop.localhost\r\n%s\r\n", i, host, upgrade)
		res, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodyOf(t, res); got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}
