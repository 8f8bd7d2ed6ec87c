package proxy

import (
	"io"
	"net"
	"testing"
)

// BenchmarkFastPath is one small request on the fast path. Client and service
// allocate nothing, so what is reported is the engine's.
func BenchmarkFastPath(b *testing.B) {
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
	c, err := net.Dial("tcp", ln.Addr().String())
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
	e.Shutdown(b.Context())
	<-served
}
