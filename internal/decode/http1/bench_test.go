package http1

import (
	"testing"
	"time"

	"lodge/internal/decode"
)

// BenchmarkKeepAlive is one exchange on a connection that is kept, as wrk makes
// them with nginx.
func BenchmarkKeepAlive(b *testing.B) {
	request := []byte("GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n")
	response := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 30 Nov 2026 07:18:28 GMT\r\nContent-Type: text/html\r\nContent-Length: 13\r\n" +
		"Last-Modified: Mon, 30 Nov 2026 07:18:28 GMT\r\nConnection: keep-alive\r\nETag: \"6b0d2344-d\"\r\nAccept-Ranges: bytes\r\n\r\n<p>hello</p>\n")
	n := 0
	c := decode.NewConn(options, func(*decode.Exchange) { n++ }, nil)
	d := newDecoder(c)
	at := time.Unix(1, 0)
	b.ReportAllocs()
	b.SetBytes(int64(len(request) + len(response)))
	for b.Loop() {
		at = at.Add(time.Microsecond)
		d.Data(decode.Client, at, request)
		d.Data(decode.Server, at, response)
	}
	if n != b.N {
		b.Fatalf("%d exchanges of %d", n, b.N)
	}
}

// BenchmarkStream is a body of 64 KiB pieces.
func BenchmarkStream(b *testing.B) {
	c := decode.NewConn(options, func(*decode.Exchange) {}, nil)
	d := newDecoder(c)
	at := time.Unix(1, 0)
	d.Data(decode.Client, at, []byte(get))
	d.Data(decode.Server, at, []byte("HTTP/1.1 200 OK\r\n\r\n"))
	piece := make([]byte, 64<<10)
	b.SetBytes(int64(len(piece)))
	for b.Loop() {
		at = at.Add(time.Microsecond)
		d.Data(decode.Server, at, piece)
	}
}
