// Package amqp decodes AMQP 0-9-1: https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf,
// with RabbitMQ's extensions and its types of field values:
// https://www.rabbitmq.com/docs/extensions, https://www.rabbitmq.com/amqp-0-9-1-errata.html.
//
// A method that is answered by another one is one exchange with it. A published
// message is one with its publisher confirm, where the channel has them; a
// delivered message is one with its acknowledgement, where its consumer has them.
// What opens a connection is a session. AMQP 1.0 is recognised and not decoded.
package amqp

import (
	"encoding/binary"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "amqp"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

func detect(p *decode.Prefix) decode.Verdict {
	client := p.Bytes[decode.Client]
	if len(client) == 0 && !p.Midstream {
		return decode.No // the client speaks first
	}
	if v := detectHeader(client); v != decode.No && len(client) > 0 || !p.Midstream {
		return v
	}
	v := decode.No
	for s, b := range p.Bytes {
		if len(b) == 0 {
			continue
		}
		switch _, w := plausible(b, decode.Side(s)); {
		case w == decode.Yes && b[0] != frameBody:
			return decode.Yes
		default:
			v = decode.Maybe // it may begin within a frame
		}
	}
	return v
}

// detectHeader judges whether b begins with a protocol header.
func detectHeader(b []byte) decode.Verdict {
	n := min(len(b), 4)
	switch {
	case string(b[:n]) != "AMQP"[:n]:
		return decode.No
	case len(b) < headerSize:
		return decode.Maybe
	case version(b) == "":
		return decode.No
	}
	return decode.Yes
}

// headerSize is the size of a protocol header.
const headerSize = 8

// version returns the version that a protocol header asks for, or "".
func version(b []byte) string {
	switch v := binary.BigEndian.Uint32(b[4:]); v {
	case 0x00000901:
		return "0-9-1"
	case 0x01010009, 0x00000900:
		return "0-9"
	case 0x01010800, 0x00000800:
		return "0-8"
	case 0x0101000a:
		return "0-10"
	case 0x00010000, 0x02010000, 0x03010000: // plain, TLS, SASL
		return "1.0"
	}
	return ""
}
