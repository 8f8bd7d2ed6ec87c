// Package packet parses a captured frame down to its TCP segment or UDP
// datagram.
//
// It does not verify checksums (on loopback they are left to hardware that is not
// there) and does not follow tunnels. [Fragments] puts IP fragments together. It
// is pure: no I/O, no clock, and no allocation for a packet that it can parse.
//
// Formats: https://www.tcpdump.org/linktypes.html (link types),
// https://www.rfc-editor.org/rfc/rfc791 (IPv4), rfc8200 (IPv6), rfc2675 (IPv6
// jumbograms), rfc9293 (TCP), rfc768 (UDP).
package packet

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Protocol is a transport protocol, by its number in IP.
type Protocol uint8

// The protocols that are parsed.
const (
	TCP Protocol = 6
	UDP Protocol = 17
	// Unix stands for a connection of Unix sockets, which has no packets: a number that
	// IANA reserves. [Parse] never returns it.
	Unix Protocol = 255
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case Unix:
		return "unix"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// Flags are the control bits of a TCP segment, as in its header.
type Flags uint8

// The control bits.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Has reports whether all bits of f are set.
func (f Flags) Has(bits Flags) bool { return f&bits == bits }

func (f Flags) String() string {
	var set []string
	for i, name := range [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"} {
		if f&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}

// Packet is one TCP segment or UDP datagram.
type Packet struct {
	// Time is when it was captured. [Parse] leaves it as it is.
	Time time.Time
	// Src and Dst are as in the packet: an IPv4 packet has IPv4 addresses, and an
	// IPv6 packet with v4-mapped addresses has those.
	Src, Dst netip.AddrPort
	Protocol Protocol

	// Seq, Ack, Flags and Window are TCP's. Window is not scaled.
	Seq, Ack uint32
	Flags    Flags
	Window   uint16

	// Payload is a part of the data that was parsed, without padding.
	Payload []byte
	// PayloadLen is the number of payload bytes on the wire. It is more than
	// len(Payload) where the capture cut the packet.
	PayloadLen int
}

// Errors of [Parse]. They are returned as they are, except that an unknown link
// type is a [LinkTypeError].
var (
	ErrNotIP        = errors.New("packet is not IP")
	ErrNotTransport = errors.New("IP packet is neither TCP nor UDP")
	ErrFragment     = errors.New("IP packet is a fragment")
	ErrTruncated    = errors.New("packet is cut within its headers")
	ErrMalformed    = errors.New("packet has contradictory headers")
)

// Parse parses a frame. data is what was captured of it, and origLen its length
// on the wire. p.Payload is a part of data. After an error, p has no meaning.
func Parse(link LinkType, data []byte, origLen int, p *Packet) error {
	if origLen < len(data) {
		origLen = len(data)
	}
	f := frame{data: data, wire: origLen}
	src, dst, proto, err := f.network(link)
	if err != nil {
		return err
	}
	return f.transport(src, dst, proto, p)
}

// transport takes off the header of the transport protocol.
func (f *frame) transport(src, dst netip.Addr, proto uint8, p *Packet) (err error) {
	switch p.Protocol = Protocol(proto); p.Protocol {
	case TCP:
		err = f.tcp(p)
	case UDP:
		err = f.udp(p)
	default:
		return ErrNotTransport
	}
	if err != nil {
		return err
	}
	p.Src = netip.AddrPortFrom(src, p.Src.Port())
	p.Dst = netip.AddrPortFrom(dst, p.Dst.Port())
	p.Payload, p.PayloadLen = f.data, f.wire
	return nil
}
