package stream

import (
	"bytes"
	"net/netip"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// Key names a connection. Src is its client: see [Opened].
type Key struct {
	Src, Dst netip.AddrPort
	Protocol packet.Protocol
}

// Opened is what is known of a connection at its first packet.
type Opened struct {
	Key Key
	// ClientKnown reports that Key.Src opened the connection: its SYN or the answer
	// to it was seen. Otherwise Key.Src is a guess, the side with the higher port.
	ClientKnown bool
	// Midstream reports that the begin of a TCP connection was not seen.
	Midstream bool
	At        time.Time
}

// Conn gets what a connection carries. For TCP, Data continues where the side's
// last Data or Gap ended; for UDP, each call has one datagram. After End of a
// side, nothing more of it comes; each side gets an End.
//
// A Conn does not call methods of its [Table].
type Conn interface {
	// Data has bytes that a side sent, which are valid during the call.
	Data(s decode.Side, at time.Time, b []byte)
	// Gap reports that n bytes are missing, -1 where their number is not known.
	Gap(s decode.Side, at time.Time, n int64)
	// End reports that a side sends no more. A RST ends both sides.
	End(s decode.Side, at time.Time, how decode.End)
}

// Refuser is implemented by a [Conn] that is told when its connection is
// refused: its SYN was answered by a RST, or what was sent by an error of ICMP. Refused is called before End.
type Refuser interface {
	Refused(at time.Time)
}

// Watcher is a [Conn] that looks at the packets too: Packet is called for each one of
// the connection, before what it carries is handed over.
type Watcher interface {
	Packet(s decode.Side, p *packet.Packet)
}

// Idler is a [Conn] that is told by [Table.Expire] that nothing came for a second, so that
// it lets go of memory which it holds to use it again.
type Idler interface {
	Idle()
}

// discard is the Conn of a connection that its owner does not want.
type discard struct{}

func (discard) Data(decode.Side, time.Time, []byte)    {}
func (discard) Gap(decode.Side, time.Time, int64)      {}
func (discard) End(decode.Side, time.Time, decode.End) {}

// pair has the addresses of a connection in an order of their own: that of its
// packets in both directions.
type pair struct {
	a, b         [16]byte
	aPort, bPort uint16
	protocol     packet.Protocol
	mapped       uint8 // which of them are IPv6 packets' own v4-mapped addresses
}

func pairOf(p *packet.Packet) pair {
	out := pair{a: p.Src.Addr().As16(), b: p.Dst.Addr().As16(), aPort: p.Src.Port(), bPort: p.Dst.Port(), protocol: p.Protocol}
	if p.Src.Addr().Is4In6() {
		out.mapped = 1
	}
	if p.Dst.Addr().Is4In6() {
		out.mapped |= 2
	}
	if out.aPort > out.bPort || out.aPort == out.bPort && bytes.Compare(out.a[:], out.b[:]) > 0 {
		out.a, out.b, out.aPort, out.bPort = out.b, out.a, out.bPort, out.aPort
		out.mapped = out.mapped>>1 | out.mapped<<1&2
	}
	return out
}

// conn is a connection of a table.
type conn struct {
	pair   pair
	opened Opened
	app    Conn
	watch  Watcher // nil: packets are not wanted
	halves [2]half
	last   time.Time // of a packet
	cost   int       // of what is held, in ConnBytes
	// settled is until when it keeps its place in its list.
	settled time.Time

	// self: both ends are one socket, which TCP allows. There is one stream, the
	// client's, and both sides see it.
	self   bool
	closed bool // both sides have ended; kept for Options.Linger
	// stopped: it is ended because it is no longer looked at.
	stopped bool
	// resetBy is the side that sent the RST, where there was one.
	resetBy  decode.Side
	wasReset bool

	recent, holes element
}

// side returns which side sent a packet.
func (c *conn) side(p *packet.Packet) decode.Side {
	if p.Src == c.opened.Key.Src {
		return decode.Client
	}
	return decode.Server
}

// waiting reports whether bytes of a side are missing.
func (c *conn) waiting() bool { return c.halves[0].waiting || c.halves[1].waiting }

// blocked reports whether the first held segment of a side is delivered later,
// because it comes after missing bytes of the other side.
func (c *conn) blocked(s decode.Side) bool {
	g := &c.halves[s].held[0]
	return g.after && c.halves[s.Other()].lacks(g.ack)
}

// replacedBy reports whether a segment with a SYN begins another connection
// with the same addresses.
func (c *conn) replacedBy(p *packet.Packet) bool {
	h := &c.halves[c.side(p)]
	switch {
	case c.wasReset && p.Flags&packet.ACK == 0:
		return true // it may try again with the same number
	case h.isnKnown:
		return p.Seq != h.isn
	case h.started:
		return p.Seq+1 != h.base // its own SYN may be captured late
	}
	return c.closed
}

// continuedBy reports whether a closed connection goes on, so that its RST was
// not accepted: a socket that has sent a RST sends no data.
func (c *conn) continuedBy(p *packet.Packet) bool {
	s := c.side(p)
	return c.wasReset && s == c.resetBy && p.PayloadLen > 0 && p.Flags&(packet.SYN|packet.RST) == 0 &&
		c.halves[s].started && p.Seq == c.halves[s].next
}
