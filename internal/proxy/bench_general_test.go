package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkGeneralPath is one small request over HTTP/2 in the clear, the client's
// part included.
func BenchmarkGeneralPath(b *testing.B) {
	answer := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Tue, 24 Nov 2026 15:15:04 GMT\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n" +
		"Last-Modified: Tue, 24 Nov 2026 14:07:12 GMT\r\nConnection: keep-alive\r\nETag: \"674332a0-64\"\r\nAccept-Ranges: bytes\r\n\r\n" + string(make([]byte, 100)))
	up, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer up.Close()
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
	e, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	table, err := NewTable([]Service{at("web", up.Addr().String())})
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
	tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", ln.Addr().String())
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
	e.Shutdown(b.Context())
	<-served
}
