// Package memcached decodes memcached's protocols: text with its meta commands,
// and binary, over TCP and over UDP's frames. Commands that are not answered
// (noreply, quiet ones) are messages.
//
// https://github.com/memcached/memcached/blob/master/doc/protocol.txt and
// https://github.com/memcached/memcached/wiki/BinaryProtocolRevamped
package memcached

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "memcached"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{Name: Name, Detect: Detect, New: func(c *decode.Conn) decode.Decoder { return newDecoder(c) }}
}

// Datagrams returns the protocol over UDP.
func Datagrams() *decode.Protocol {
	return &decode.Protocol{Name: Name, Datagram: true, Detect: DetectDatagram, New: func(c *decode.Conn) decode.Decoder { return newDatagrams(c) }}
}

// decoder is one connection.
type decoder struct {
	session
	in     [2]decode.Buffer
	ended  [2]bool
	search [2]search
	form   form
	text   text
	binary packets
}

// form is how a connection is encoded.
type form uint8

const (
	formUnknown form = iota
	formText
	formBinary
)

func (f form) String() string {
	if f == formBinary {
		return "binary"
	}
	return "text"
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{session: session{Conn: c}}
	d.pending.limit = max(c.Limits.Pending, 1)
	d.text = text{session: &d.session, in: &d.in}
	d.binary = packets{session: &d.session, in: &d.in}
	if c.Midstream {
		d.unsure = true
		d.search = [2]search{{why: decode.LostState}, {why: decode.LostState}}
	}
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.in {
		d.in[s].Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.ended[s] || len(b) == 0 {
		return
	}
	if d.form == formUnknown && !d.Midstream {
		if d.form = formText; b[0] == magic(s) {
			d.form = formBinary
		}
	}
	d.in[s].Write(at, b)
	for d.read(s) {
	}
	if s == decode.Server {
		d.heard = at
	}
}

// progress is what reading one part of a message came to.
type progress uint8

const (
	more      progress = iota // bytes are missing
	stepped                   // it went on
	malformed                 // the bytes are not what the protocol allows
	tooLong                   // a line is longer than is held
)

// read reads one part of what a side sent, and reports whether there may be more.
func (d *decoder) read(s decode.Side) bool {
	var p progress
	switch {
	case d.in[s].Len() == 0:
		return false
	case d.search[s].why != "":
		return d.look(s)
	case d.form == formBinary:
		p = d.binary.read(s)
	case s == decode.Client:
		p = d.text.readCommand()
	default:
		p = d.text.readAnswer()
	}
	switch p {
	case malformed:
		d.broken(s, decode.LostMalformed)
	case tooLong:
		d.broken(s, decode.LostTooLong)
	}
	return p != more
}

// broken begins to search for the next message of a side, after bytes that are
// not what the protocol allows.
func (d *decoder) broken(s decode.Side, why decode.LossReason) {
	d.leave(s, "the rest could not be read")
	d.search[s] = search{why: why, skip: true}
	d.unsure = true
}

// leave gives up the message that a side is in: what is known of it is emitted.
func (d *decoder) leave(s decode.Side, why string) {
	if d.form == formBinary {
		d.binary.leave(s, why)
		return
	}
	d.text.leave(s, why)
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.ended[s] || d.inside(s, n) {
		return
	}
	d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	d.leave(s, "a part of the answer was not captured")
	d.drop(s, decode.LostGap)
	if s == decode.Server && d.form == formText {
		d.flush("the answer was not captured")
	}
	d.search[s] = search{why: decode.LostGap}
	d.unsure = true
}

// inside skips n missing bytes if they are all within a value, and reports
// whether they are.
func (d *decoder) inside(s decode.Side, n int64) bool {
	if d.search[s].why != "" || d.in[s].Len() > 0 || n < 0 {
		return false
	}
	b := &d.text.sides[s].block
	if d.form == formBinary {
		b = &d.binary.sides[s].block
	}
	if n > b.left {
		return false
	}
	b.hole(n)
	return true
}

// drop counts the bytes of a side that cannot be read any more.
func (d *decoder) drop(s decode.Side, why decode.LossReason) {
	f := &d.search[s]
	if f.why == "" {
		f.why = why
	}
	f.passed += int64(d.in[s].Len())
	d.in[s].Reset()
	d.found(s)
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
	d.leave(s, "")
	d.drop(s, decode.LostGap)
	if d.ended[decode.Server] {
		d.flush("")
	}
}
