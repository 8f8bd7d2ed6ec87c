// Package http1 decodes HTTP/1: RFC 9112 (https://www.rfc-editor.org/rfc/rfc9112)
// for the messages, RFC 9110 (https://www.rfc-editor.org/rfc/rfc9110) for what
// they mean, and answers without a status line as those of HTTP/0.9.
//
// An exchange is a request with its final response; interim responses are details
// of it. It is emitted when both have ended. Where the response is a stream of
// server-sent events, the exchange is announced when the head of the response is
// there ([decode.Exchange.Begun]), each event is a message of its own (package
// sse), and the exchange is emitted whole when the response ends.
//
// After 101 (Switching Protocols) and after CONNECT the connection is handed over:
// to "websocket", "http2" (Upgrade: h2c) or "tls", else to what its bytes say.
//
// Framing is that of RFC 9112 section 6.3. Messages that two implementations may
// frame differently, as request smuggling needs them, are framed as the RFC says,
// and Unknown of the exchange names what is contradictory.
package http1

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "http"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{Name: Name, Detect: detect, New: func(c *decode.Conn) decode.Decoder { return newDecoder(c) }}
}

type decoder struct {
	c       *decode.Conn
	sides   [2]reader
	waiting []*exchange // requests without their whole response, oldest first

	requests  int64 // that were read
	answers   int64 // that were read
	dropped   int   // requests that were emitted because too many waited
	kept      int64 // bytes of the requests that wait
	gapped    bool  // a part of a head, or all of it, was not captured: requests or responses may be missing
	pipelined bool  // a request was sent before the response of the one before it
	gone      bool  // the connection was handed over
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{c: c}
	for s := range d.sides {
		r := &d.sides[s]
		r.d, r.of, r.body.r, r.in.limit = d, decode.Side(s), r, c.Limits.Message
		if c.Midstream {
			r.search(decode.LostState)
		}
	}
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.sides {
		d.sides[s].in.Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.gone {
		return
	}
	d.sides[s].in.Write(at, b)
	d.pump()
}

// pump reads what can be read. What a response is depends on its request, and
// whether a client goes on in HTTP depends on the response: each side may have
// waited for the other.
func (d *decoder) pump() {
	for more := true; more && !d.gone; {
		more = false
		for s := range d.sides {
			for !d.gone && d.sides[s].step() {
				more = true
			}
		}
	}
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	r := &d.sides[s]
	if d.gone || r.ended {
		return
	}
	d.lose(s, decode.LostGap, n)
	if !r.body.skip(n) {
		d.gapped = true
		r.cutOff("its end was not captured")
		d.lose(s, decode.LostGap, int64(r.in.Len()))
		r.in.Reset()
		if r.hold {
			d.c.Midstream = true // what follows may be no longer HTTP, and has lost its begin
			return
		}
		r.search(decode.LostGap)
	}
	// Responses that wait for a request go on waiting for one after the gap: its
	// time says whether they answer it.
	d.pump()
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	r := &d.sides[s]
	if d.gone || r.ended {
		return
	}
	r.how, r.ended = how, true
	d.pump()
	client, server := &d.sides[decode.Client], &d.sides[decode.Server]
	if !client.ended || !server.ended {
		switch {
		case s == decode.Client && !r.hold:
			client.finish()
			d.pump()
		case s == decode.Server && !(r.x == nil && d.mustWait()):
			server.finish()
			d.unanswered()
		}
		return
	}
	client.hold = false
	d.pump()
	client.finish()
	d.pump()
	server.finish()
	for len(d.waiting) > 0 && !d.gone {
		d.emit(d.waiting[0])
	}
}

// unanswered emits the requests that have ended and can have no response any
// more.
func (d *decoder) unanswered() {
	for len(d.waiting) > 0 && d.waiting[0].requestDone {
		d.emit(d.waiting[0])
	}
}

func (d *decoder) lose(s decode.Side, why decode.LossReason, n int64) {
	if n != 0 {
		d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: why, Bytes: n})
	}
}
