// Package dns decodes DNS messages in datagrams and in streams:
// https://www.rfc-editor.org/rfc/rfc1035, with IPv6 addresses (RFC 3596), SRV
// (RFC 2782), EDNS (RFC 6891), SVCB and HTTPS (RFC 9460), zone transfers (RFC 5936,
// RFC 1995), and what mDNS (RFC 6762) and LLMNR (RFC 4795) send.
//
// A query and the response with its number are one exchange. In a stream each
// message follows its length; a datagram is one message.
package dns

import (
	"encoding/binary"
	"strings"

	"lodge/internal/decode"
)

// Name is the name of both protocols.
const Name = "dns"

// Protocol returns the protocol in streams.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detectStream,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

// DatagramProtocol returns the protocol in datagrams.
func DatagramProtocol() *decode.Protocol {
	return &decode.Protocol{
		Name:     Name,
		Datagram: true,
		Detect:   detectDatagram,
		New:      func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

const headerSize = 12

// Bits of the flags.
const (
	flagResponse      = 0x8000
	flagAuthoritative = 0x0400
	flagTruncated     = 0x0200
	flagDesired       = 0x0100
	flagAvailable     = 0x0080
	flagZero          = 0x0040
	flagAuthentic     = 0x0020
	flagUnchecked     = 0x0010
)

func detectDatagram(p *decode.Prefix) decode.Verdict {
	for s, b := range p.Bytes {
		if len(b) == 0 {
			continue
		}
		if len(b) < headerSize || !plausible(b) {
			return decode.No
		}
		// In mDNS a response may come first.
		response := b[2]&0x80 != 0
		if response != (decode.Side(s) == decode.Server) && (b[0] != 0 || b[1] != 0) {
			return decode.No
		}
		if len(b) >= decode.PrefixBytes {
			return begin(b)
		}
		if m, ok := parse(b); !ok || len(m.questions)+len(m.answers) == 0 && m.edns == "" {
			return decode.No
		}
	}
	return decode.Yes
}

func detectStream(p *decode.Prefix) decode.Verdict {
	if !p.Midstream && len(p.Bytes[decode.Client]) == 0 {
		return decode.No // the client speaks first
	}
	v := decode.No
	for s, b := range p.Bytes {
		if len(b) == 0 {
			continue
		}
		w := detectMessage(b, decode.Side(s))
		if w == decode.No && p.Midstream {
			w = decode.Maybe // it may begin within a message
		}
		if !p.Midstream {
			return w // of the client's first message
		}
		v = max(v, w)
	}
	return v
}

// detectMessage judges whether a message with its length begins b.
func detectMessage(b []byte, s decode.Side) decode.Verdict {
	if len(b) < 2 {
		return decode.Maybe
	}
	n := int(binary.BigEndian.Uint16(b))
	switch {
	case n < headerSize+5:
		return decode.No
	case len(b) < 2+headerSize:
		return decode.Maybe
	}
	b = b[2:]
	if !plausible(b) || (b[2]&0x80 != 0) != (s == decode.Server) || binary.BigEndian.Uint16(b[4:]) != 1 {
		return decode.No
	}
	return begin(b[:min(n, len(b))])
}

// plausible judges the 12 bytes of a header.
func plausible(b []byte) bool {
	flags := binary.BigEndian.Uint16(b[2:])
	switch flags >> 11 & 0xf {
	case opQuery, opStatus, opNotify, opUpdate:
	default:
		return false
	}
	return flags&flagZero == 0 && binary.BigEndian.Uint16(b[4:]) <= 64 &&
		(flags&flagResponse != 0 || flags&0xf == 0 && flags&flagAvailable == 0)
}

// begin judges whether a message has a first question of a type and a class that
// are known.
func begin(b []byte) decode.Verdict {
	r := &reader{b: b, at: headerSize}
	name := r.name()
	typ, class := r.uint16(), r.uint16()
	switch {
	case r.bad && r.cut:
		return decode.Maybe
	case r.bad || name == "" || strings.HasPrefix(typeName(typ), "TYPE"):
		return decode.No
	}
	switch class &^ 0x8000 {
	case 1, 3, 254, 255: // IN, CH, NONE, ANY
		return decode.Yes
	}
	return decode.No
}
