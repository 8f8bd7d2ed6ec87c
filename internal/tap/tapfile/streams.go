package tapfile

import (
	"encoding/binary"
	"net/netip"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/tap"
)

// Streams writes connections of which there are bytes and no packets: as packets that
// would have carried them, one for each piece, so that programs which read captures can
// read them. The packets of the handshakes and the sequence numbers are made up, and
// checksums are zero. What is missing is a gap in the sequence numbers.
//
// Headers: https://www.rfc-editor.org/rfc/rfc791, rfc8200, rfc9293.
type Streams struct{ w *Writer }

// Streams returns a writer of connections, for a writer of packets of Ethernet.
func (w *Writer) Streams() *Streams { return &Streams{w} }

// Segments is one connection in a file. It is for one goroutine.
type Segments struct {
	w     *Writer
	flow  uint64
	stops bool // nothing more may follow
	from  [2]netip.AddrPort
	next  [2]uint32 // sequence numbers
	buf   []byte
}

func newSegments(w *Writer, client, server *tap.End) *Segments {
	// A connection with the addresses of another before it begins elsewhere, as the
	// kernel's do: otherwise it looks like the first one, sent again.
	w.connections++
	isn := w.connections * 0x9e3779b1
	return &Segments{w: w, flow: uint64(w.connections) << 1, from: [2]netip.AddrPort{client.Address, server.Address}, next: [2]uint32{isn, ^isn}}
}

// Open writes the handshake of a connection.
func (s *Streams) Open(at time.Time, client, server *tap.End) (*Segments, error) {
	g := newSegments(s.w, client, server)
	err := g.put(decode.Client, at, packet.SYN, nil, client, server)
	if err == nil {
		err = g.put(decode.Server, at, packet.SYN|packet.ACK, nil, client, server)
	}
	if err == nil {
		err = g.put(decode.Client, at, packet.ACK, nil, client, server)
	}
	return g, err
}

// Refuse writes a connection that was answered by a reset.
func (s *Streams) Refuse(at time.Time, client, server *tap.End) error {
	g := newSegments(s.w, client, server)
	if err := g.put(decode.Client, at, packet.SYN, nil, client, server); err != nil {
		return err
	}
	return g.put(decode.Server, at, packet.RST|packet.ACK, nil, client, server)
}

// Data writes what a side sent, at most 64 KiB, after missing bytes.
func (g *Segments) Data(side decode.Side, at time.Time, missing int64, b []byte, client, server *tap.End) error {
	g.next[side] += uint32(missing) //nolint:gosec // they wrap as the kernel's do
	return g.put(side, at, packet.ACK|packet.PSH, b, client, server)
}

// End writes the end of a side.
func (g *Segments) End(side decode.Side, at time.Time, missing int64, how decode.End, client, server *tap.End) error {
	g.next[side] += uint32(missing) //nolint:gosec // as above
	if how == decode.Reset {
		return g.put(side, at, packet.RST|packet.ACK, nil, client, server)
	}
	return g.put(side, at, packet.FIN|packet.ACK, nil, client, server)
}

const (
	ethernetSize = 14
	tcpSize      = 20
	ipv4Size     = 20
	ipv6Size     = 40
)

// put writes one segment.
func (g *Segments) put(side decode.Side, at time.Time, flags packet.Flags, data []byte, client, server *tap.End) error {
	if g.stops {
		return nil
	}
	g.stops = flags.Has(packet.RST)
	sender, receiver := client, server
	if side == decode.Server {
		sender, receiver = server, client
	}
	src, dst := g.from[side], g.from[side.Other()]
	g.buf = header(g.buf[:0], src, dst, tcpSize+len(data))
	b := binary.BigEndian.AppendUint16(g.buf, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, g.next[side])
	ack := g.next[side.Other()]
	if !flags.Has(packet.ACK) {
		ack = 0
	}
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, tcpSize/4<<4, byte(flags), 0xff, 0xff, 0, 0, 0, 0)
	g.buf = append(b, data...)
	g.next[side] += uint32(len(data)) //nolint:gosec // at most 64 KiB
	if flags.Has(packet.SYN) || flags.Has(packet.FIN) {
		g.next[side]++
	}
	return g.w.Packet(g.flow|uint64(side), at, g.buf, len(g.buf), pcapfile.ChecksumNotReady, sender, receiver)
}

// header appends the headers of Ethernet, as on lo, and of IP.
func header(b []byte, src, dst netip.AddrPort, size int) []byte {
	b = append(b, make([]byte, ethernetSize-2)...)
	if src.Addr().Is4() && dst.Addr().Is4() {
		b = append(b, 0x08, 0x00, 0x45, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(ipv4Size+size)) //nolint:gosec // at most 64 KiB
		b = append(b, 0, 0, 0x40, 0, 64, byte(packet.TCP), 0, 0)    // not to be fragmented
		b = append(b, src.Addr().AsSlice()...)
		return append(b, dst.Addr().AsSlice()...)
	}
	from, to := src.Addr().As16(), dst.Addr().As16()
	b = append(b, 0x86, 0xdd, 0x60, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(size)) //nolint:gosec // at most 64 KiB
	b = append(b, byte(packet.TCP), 64)
	b = append(b, from[:]...)
	return append(b, to[:]...)
}
