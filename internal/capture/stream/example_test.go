package stream_test

import (
	"fmt"
	"net/netip"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
)

type printer struct{}

func (printer) Data(s decode.Side, _ time.Time, b []byte)      { fmt.Printf("%s: %s\n", s, b) }
func (printer) Gap(s decode.Side, _ time.Time, n int64)        { fmt.Printf("%s: %d bytes missing\n", s, n) }
func (printer) End(s decode.Side, _ time.Time, how decode.End) { fmt.Printf("%s: end\n", s) }

func Example() {
	client, server := netip.MustParseAddrPort("127.0.0.1:40000"), netip.MustParseAddrPort("127.0.0.1:80")
	table := stream.New(stream.Options{}, func(o stream.Opened) stream.Conn {
		fmt.Println(o.Key.Src, "→", o.Key.Dst)
		return printer{}
	})
	send := func(flags packet.Flags, seq uint32, payload string) {
		table.Packet(&packet.Packet{
			Time: time.Unix(1_000_000, 0), Src: client, Dst: server, Protocol: packet.TCP,
			Flags: flags, Seq: seq, Payload: []byte(payload), PayloadLen: len(payload),
		})
	}
	send(packet.SYN, 99, "")
	send(packet.ACK, 106, "order") // out of order
	send(packet.ACK, 100, "put in")
	send(packet.ACK, 100, "put in") // sent again
	send(packet.ACK|packet.FIN, 111, "")
	table.Flush()
	fmt.Println(table.Counts().Retransmitted, "bytes were sent again")
	// Output:
	// 127.0.0.1:40000 → 127.0.0.1:80
	// client: put in
	// client: order
	// client: end
	// server: end
	// 6 bytes were sent again
}
