package http2

import (
	"testing"

	"lodge/internal/decode"
)

// BenchmarkRequests decodes requests on one connection, each with its response.
func BenchmarkRequests(b *testing.B) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	n := 0
	conn := decode.NewConn(decode.Options{Limits: decode.DefaultLimits()}, func(*decode.Exchange) { n++ }, nil)
	d := newDecoder(conn, &Config{})
	d.Data(decode.Client, epoch, []byte(preface))
	request := func(id uint32) []byte {
		return []byte(cl.headers(id, flagEndStream, append(get("/users/42"), "user-agent: bench/1", "accept: */*", "cookie: session=1")...).b)
	}
	response := func(id uint32) []byte {
		return []byte(sv.headers(id, 0, ":status: 200", "content-type: application/json", "server: bench", "content-length: 100").b +
			rawFrame(frameData, flagEndStream, id, string(make([]byte, 100))))
	}
	request(1)
	response(1)
	// The same blocks again: all is in the table then.
	d.Data(decode.Client, epoch, []byte(rawFrame(frameHeaders, flagEndHeaders, 1, newPeer(decode.Client).block(append(get("/users/42"), "user-agent: bench/1", "accept: */*", "cookie: session=1")...))))
	d.Data(decode.Server, epoch, []byte(rawFrame(frameHeaders, flagEndHeaders, 1, newPeer(decode.Server).block(":status: 200", "content-type: application/json", "server: bench", "content-length: 100"))))
	q, p := request(3), response(3)
	b.ReportAllocs()
	for i := range b.N {
		id := uint32(2*i+3) & (1<<31 - 1)
		for _, f := range [][]byte{q, p, p[len(p)-109:]} {
			f[5], f[6], f[7], f[8] = byte(id>>24), byte(id>>16), byte(id>>8), byte(id)
		}
		d.Data(decode.Client, epoch, q)
		d.Data(decode.Server, epoch, p)
	}
	if n < b.N {
		b.Fatalf("%d exchanges of %d", n, b.N)
	}
}
