package tap_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/tap"
)

// BenchmarkIdle measures what a connection holds that is open and idle, in bytes of the
// heap: after its handshake, and after one exchange of some protocols, with a body that is
// larger than a packet.
func BenchmarkIdle(b *testing.B) {
	page := "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8000\r\n\r\n" + string(make([]byte, 8000))
	for _, bench := range []struct{ name, asked, answered string }{
		{"handshake", "", ""},
		{"http", "GET /items?page=2 HTTP/1.1\r\nHost: localhost:4000\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n", page},
		{"redis", "*2\r\n$3\r\nGET\r\n$4\r\nnext\r\n", "$2\r\nok\r\n"},
		{"unknown", "\x01\x02\x03\x04", "\x05\x06"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				const n = 20_000
				records := 0
				e := tap.New(tap.Options{
					Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Stream: stream.Options{MaxConns: 2 * n},
					Record: func(*tap.Record) { records++ },
				})
				before := heap()
				for i := range n {
					talk(e, i, bench.asked, bench.answered)
				}
				e.Expire(time.Unix(1010, 0))
				b.ReportMetric(float64(heap()-before)/n, "B/conn")
				b.ReportMetric(float64(records)/n, "records/conn")
				runtime.KeepAlive(e)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// talk gives an engine the packets of a connection that stays open.
func talk(e *tap.Engine, i int, asked, answered string) {
	client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 14), 1}), uint16(20_000+i&0x3fff))
	server := netip.MustParseAddrPort("127.0.0.1:4000")
	at := time.Unix(1000, 0)
	send := func(from, to netip.AddrPort, flags packet.Flags, seq, ack uint32, data string) {
		at = at.Add(time.Microsecond)
		e.Packet(&packet.Packet{Time: at, Src: from, Dst: to, Protocol: packet.TCP, Flags: flags, Seq: seq, Ack: ack, Payload: []byte(data), PayloadLen: len(data)}, nil)
	}
	send(client, server, packet.SYN, 100, 0, "")
	send(server, client, packet.SYN|packet.ACK, 200, 101, "")
	send(client, server, packet.ACK, 101, 201, "")
	if asked == "" {
		return
	}
	send(client, server, packet.ACK|packet.PSH, 101, 201, asked)
	for begin := 0; begin < len(answered); begin += 1400 {
		send(server, client, packet.ACK, 201+uint32(begin), 101+uint32(len(asked)), answered[begin:min(begin+1400, len(answered))])
	}
}
