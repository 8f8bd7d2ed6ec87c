package tap_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/tap"
	"lodge/internal/tap/text"
	"lodge/internal/tap/wire"
)

// BenchmarkExchange measures one exchange on one of 64 open connections: decoded, and
// decoded and printed.
func BenchmarkExchange(b *testing.B) {
	for _, bench := range []struct{ name, asked, answered string }{
		{"http", "GET /items/12?page=2 HTTP/1.1\r\nHost: localhost:4000\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n",
			"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 30 Nov 2026 10:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 612\r\nLast-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\nConnection: keep-alive\r\nETag: \"6387\"\r\nAccept-Ranges: bytes\r\n\r\n" + string(make([]byte, 612))},
		{"redis", "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$3\r\nxxx\r\n", "+OK\r\n"},
	} {
		for _, to := range []string{"decoded", "text", "json"} {
			b.Run(bench.name+"/"+to, func(b *testing.B) {
				records := 0
				record := func(*tap.Record) { records++ }
				switch to {
				case "text":
					p := &text.Printer{Out: io.Discard, Width: 120, Today: time.Now()}
					record = func(r *tap.Record) { records++; _ = p.Record(r) }
				case "json":
					w := wire.NewWriter(io.Discard)
					record = func(r *tap.Record) { records++; _ = w.Record(r) }
				}
				e := tap.New(tap.Options{Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Record: record})
				const n = 64
				var seq [n][2]uint32
				at := time.Now()
				server := netip.MustParseAddrPort("127.0.0.1:4000")
				var p packet.Packet
				send := func(i int, from decode.Side, flags packet.Flags, data string) {
					client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(20_000+i))
					at = at.Add(5 * time.Microsecond)
					p = packet.Packet{Time: at, Src: client, Dst: server, Protocol: packet.TCP, Flags: flags, Seq: seq[i][from], Ack: seq[i][from.Other()], Payload: []byte(data), PayloadLen: len(data)}
					if from == decode.Server {
						p.Src, p.Dst = p.Dst, p.Src
					}
					seq[i][from] += uint32(len(data))
					if flags&packet.SYN != 0 {
						seq[i][from]++
					}
					e.Packet(&p, nil)
				}
				for i := range n {
					send(i, decode.Client, packet.SYN, "")
					send(i, decode.Server, packet.SYN|packet.ACK, "")
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					i++
					send(i%n, decode.Client, packet.ACK|packet.PSH, bench.asked)
					send(i%n, decode.Server, packet.ACK|packet.PSH, bench.answered)
				}
				if records < i {
					b.Fatalf("%d records of %d exchanges", records, i)
				}
			})
		}
	}
}
