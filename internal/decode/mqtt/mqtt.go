// Package mqtt decodes MQTT 3.1, 3.1.1 and 5.0:
// https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html,
// https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/mqtt-v3.1.1.html,
// https://public.dhe.ibm.com/software/dw/webservices/ws-mqtt/mqtt-v3r1.html.
//
// A PUBLISH of QoS 1 or 2 and its acknowledgements are one exchange, in either
// direction, as are SUBSCRIBE and SUBACK and the like. CONNECT and CONNACK are a
// session.
package mqtt

import (
	"bytes"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "mqtt"

// Protocol returns the protocol. It is also what a WebSocket of the subprotocol
// "mqtt" carries.
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
	b := p.Bytes[decode.Client]
	if len(b) == 0 {
		return decode.No // the client speaks first
	}
	if b[0] != connect<<4 {
		return decode.No
	}
	_, n, ok := fixedHeader(b)
	switch {
	case !ok:
		return decode.No
	case n == 0:
		return decode.Maybe
	}
	b = b[n:]
	best := decode.No
	for _, name := range []string{"\x00\x04MQTT", "\x00\x06MQIsdp"} {
		k := min(len(b), len(name))
		switch {
		case string(b[:k]) != name[:k]:
		case k == len(name):
			return decode.Yes
		default:
			best = decode.Maybe
		}
	}
	return best
}

// detectMidstream looks for a packet that can be no other protocol's.
func detectMidstream(p *decode.Prefix) decode.Verdict {
	client, server := p.Bytes[decode.Client], p.Bytes[decode.Server]
	if repeats(client, "\xc0\x00") && repeats(server, "\xd0\x00") { // pings
		return decode.Yes
	}
	for s, b := range p.Bytes {
		if len(b) == 0 {
			continue
		}
		switch b[0] >> 4 {
		case connect, publish, subscribe:
		default:
			continue // too short to be certain
		}
		if n, v := plausible(b, decode.Side(s)); v == decode.Yes && n > 6 {
			return decode.Yes
		}
	}
	return decode.Maybe
}

// repeats reports whether b is a text, once or more often.
func repeats(b []byte, text string) bool {
	return len(b) > 0 && len(bytes.ReplaceAll(b, []byte(text), nil)) == 0
}
