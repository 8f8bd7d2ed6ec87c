package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// smallAnswers is a service that answers each request with 100 bytes, and
// allocates nothing. It returns its address.
func smallAnswers(b *testing.B) string {
	b.Helper()
	answer := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 15:15:04 GMT\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n" +
		"Last-Modified: Tue, 24 Nov 2026 14:07:12 GMT\r\nConnection: keep-alive\r\nETag: \"674332a0-64\"\r\nAccept-Ranges: bytes\r\n\r\n" + string(make([]byte, 100)))
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { up.Close() })
	go func() {
		for {
			c, err := up.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return up.Addr().String()
}

// benchEngine serves web.shop.localhost with small answers, at an address, until
// stop is called, which waits for its end.
func benchEngine(b *testing.B) (address string, stop func()) {
	b.Helper()
	up := smallAnswers(b)
	e, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	table, err := NewTable([]Service{at("web", up)})
	if err != nil {
		b.Fatal(err)
	}
	e.SetTable(table)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve(Listener{Listener: ln}) }()
	return ln.Addr().String(), func() {
		e.Shutdown(b.Context())
		<-served
	}
}

// BenchmarkFastPath is one small request on the fast path. Client and service
// allocate nothing, so what is reported is the engine's.
func BenchmarkFastPath(b *testing.B) {
	address, stop := benchEngine(b)
	c, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	request := []byte("GET /100 HTTP/1.1\r\nHost: web.shop.localhost\r\n\r\n")
	buf := make([]byte, 8192)
	want := 0
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if want == 0 {
			if want, err = c.Read(buf); err != nil {
				b.Fatal(err)
			}
			continue
		}
		if _, err := io.ReadFull(c, buf[:want]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	c.Close()
	stop()
}

// BenchmarkGeneralPath is one small request over HTTP/2 in the clear, the client's
// part included.
func BenchmarkGeneralPath(b *testing.B) {
	address, stop := benchEngine(b)
	tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}}
	tr.Protocols.SetUnencryptedHTTP2(true)
	for b.Loop() {
		req, err := http.NewRequest("GET", "http://web.shop.localhost/100", nil)
		if err != nil {
			b.Fatal(err)
		}
		res, err := tr.RoundTrip(req)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, res.Body); n != 100 || err != nil {
			b.Fatal(n, err)
		}
		res.Body.Close()
	}
	b.ReportAllocs()
	tr.CloseIdleConnections()
	stop()
}
