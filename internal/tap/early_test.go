package tap

import (
	"net/netip"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// parting is a protocol in which the server speaks after the client has said goodbye.
var parting = &decode.Protocol{
	Name:   "parting",
	Detect: func(*decode.Prefix) decode.Verdict { return decode.Yes },
	New:    func(c *decode.Conn) decode.Decoder { return &partingDecoder{c: c} },
}

type partingDecoder struct {
	c    *decode.Conn
	said string
}

func (d *partingDecoder) Data(_ decode.Side, _ time.Time, b []byte) { d.said += string(b) }
func (d *partingDecoder) Gap(decode.Side, time.Time, int64)         {}

func (d *partingDecoder) End(s decode.Side, at time.Time, _ decode.End) {
	d.c.Emit(&decode.Exchange{Protocol: "parting", Kind: decode.KindMessage, Started: at, Target: s.String(), Status: d.said})
}

// TestEndBeforeData holds that a decoder is told of a side that ended before the first
// bytes came: a client that looks whether a server is there says nothing, and ends.
func TestEndBeforeData(t *testing.T) {
	var got []string
	e := New(Options{Protocols: []*decode.Protocol{parting}, Decode: decode.Options{Limits: decode.DefaultLimits()},
		Record: func(x *Record) { got = append(got, x.Exchange.Target+" "+x.Exchange.Status) }})
	at := time.Unix(1000, 0)
	send := func(from, to netip.AddrPort, flags packet.Flags, seq, ack uint32, data string) {
		at = at.Add(time.Millisecond)
		e.Packet(&packet.Packet{Time: at, Src: from, Dst: to, Protocol: packet.TCP, Seq: seq, Ack: ack, Flags: flags, Payload: []byte(data), PayloadLen: len(data)}, &Origin{})
	}
	send(client, server, packet.SYN, 100, 0, "")
	send(server, client, packet.SYN|packet.ACK, 500, 101, "")
	send(client, server, packet.FIN|packet.ACK, 101, 501, "")
	send(server, client, packet.ACK, 501, 102, "hello?")
	send(server, client, packet.FIN|packet.ACK, 507, 102, "")
	e.Close()
	if len(got) != 2 || got[0] != "client hello?" || got[1] != "server hello?" {
		t.Errorf("%q", got)
	}
}
