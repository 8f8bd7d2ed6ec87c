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
	c      *decode.Conn
	in     [2]decode.Buffer
	ended  [2]bool
	search [2]search
	form   form

	text   [2]textSide
	binary [2]packet

	pending  queue
	stray    *pending // an answer to a command that is not known
	welcome  bool     // the server has carried out a command
	watching bool
	unsure   bool      // which command an answer belongs to is not known
	heard    time.Time // when the server's last byte came
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
	d := &decoder{c: c}
	d.pending.limit = max(c.Limits.Pending, 1)
	if c.Midstream {
		d.unsure = true
		d.search = [2]search{{why: decode.LostState}, {why: decode.LostState}}
	}
	return d
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.ended[s] || len(b) == 0 {
		return
	}
	if d.form == formUnknown && !d.c.Midstream {
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

// read reads one part of what a side sent, and reports whether there may be more.
func (d *decoder) read(s decode.Side) bool {
	switch {
	case d.in[s].Len() == 0:
		return false
	case d.search[s].why != "":
		return d.look(s)
	case d.form == formBinary:
		return d.readPacket(s)
	case s == decode.Client:
		return d.readCommand()
	}
	return d.readAnswer()
}

// quiet is how long a server has said nothing when it has answered all that it
// was asked, also what was not captured.
const quiet = 100 * time.Millisecond

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
		d.leavePacket(s, why)
		return
	}
	d.leaveText(s, why)
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.ended[s] || d.inside(s, n) {
		return
	}
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
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
	b := &d.text[s].block
	if d.form == formBinary {
		b = &d.binary[s].block
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

// flush emits what waits for an answer that will not be seen.
func (d *decoder) flush(why string) {
	for {
		p := d.pending.pop()
		if p == nil {
			break
		}
		if p.quiet && !p.answered {
			d.unanswered(p)
			continue
		}
		d.incomplete(p, why)
	}
	d.pending.forgotten = 0
}

// incomplete emits a command that was not answered, or not fully.
func (d *decoder) incomplete(p *pending, why string) {
	p.e.Response.Incomplete = true
	p.fill()
	if why != "" {
		p.e.Unknown = append(p.e.Unknown, why)
	}
	d.c.Emit(p.e)
}

// unanswered emits a quiet command whose answer was left out.
func (d *decoder) unanswered(p *pending) {
	p.e.Kind = decode.KindMessage
	if p.silence != "" {
		p.e.Add("quiet", p.silence)
	}
	d.c.Emit(p.e)
}

// wait lets a command wait for its answer.
func (d *decoder) wait(p *pending) {
	if d.unsure && d.form == formText {
		if len(d.pending.waiting) == 0 && !d.heard.IsZero() && p.e.Started.Sub(d.heard) >= quiet {
			d.unsure, d.pending.forgotten = false, 0
		} else {
			p.e.Unknown = append(p.e.Unknown, "earlier commands were not captured: the answer may be that of another one")
		}
	}
	if old := d.pending.push(p); old != nil {
		if !old.quiet {
			d.pending.forgotten++
		}
		d.incomplete(old, "more commands were waiting than are remembered")
	}
}
