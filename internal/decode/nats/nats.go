// Package nats decodes the client protocol of NATS:
// https://docs.nats.io/reference/reference-protocols/nats-protocol.
//
// A PUB with a reply subject and the first MSG to that subject on the same
// connection are one exchange; other messages are exchanges of their own. CONNECT
// and INFO are a session. The protocol between servers (routes, gateways, leaf
// nodes) is not decoded.
package nats

import (
	"bytes"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "nats"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

func detect(p *decode.Prefix) decode.Verdict {
	if p.Midstream {
		return detectMidstream(p)
	}
	if b := p.Bytes[decode.Server]; len(b) > 0 {
		return begins(b, "INFO {")
	}
	// The server speaks first, but its first bytes may have been missed.
	return begins(p.Bytes[decode.Client], "CONNECT {")
}

// begins reports whether b begins with text, as far as there are bytes.
func begins(b []byte, text string) decode.Verdict {
	n := min(len(b), len(text))
	switch {
	case string(b[:n]) != text[:n]:
		return decode.No
	case n < len(text):
		return decode.Maybe
	}
	return decode.Yes
}

// detectMidstream looks for a line that can be no other protocol's, with what
// must follow it.
func detectMidstream(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if repeats(client, "PING\r\n") && repeats(server, "PONG\r\n") || repeats(client, "PONG\r\n") && repeats(server, "PING\r\n") {
		return decode.Yes
	}
	if certain(client, decode.Client) || certain(server, decode.Server) {
		return decode.Yes
	}
	return decode.Maybe
}

// repeats reports whether b is a text, once or more often.
func repeats(b []byte, text string) bool {
	return len(b) > 0 && len(bytes.ReplaceAll(b, []byte(text), nil)) == 0
}

// certain reports whether one of the lines in b begins a message that a side of
// NATS sends.
func certain(b []byte, s decode.Side) bool {
	for {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return false
		}
		if o, ok := parse(b[:end+1], s); ok {
			payload := b[end+1:]
			switch {
			case o.verb == "INFO" || o.verb == "CONNECT" || o.verb == "SUB" && number([]byte(o.sid)):
				return true
			case !o.carries:
			case len(payload) < o.size+2:
				// The payload's end must be seen, unless the prefix ends before it.
				return len(payload) > 0 && end+1+o.size+2 > decode.PrefixBytes
			default:
				return payload[o.size] == '\r' && payload[o.size+1] == '\n'
			}
		}
		b = b[end+1:]
	}
}
