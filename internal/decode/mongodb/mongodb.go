// Package mongodb decodes MongoDB's wire protocol: OP_MSG with its sections,
// OP_COMPRESSED with snappy, zlib and zstd, and the messages of older drivers.
// Documents become relaxed Extended JSON.
//
// https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
package mongodb

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "mongodb"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{Name: Name, Detect: Detect, New: func(c *decode.Conn) decode.Decoder { return newDecoder(c) }}
}

// decoder is one connection.
type decoder struct {
	c       *decode.Conn
	in      [2]decode.Buffer
	ended   [2]bool
	search  [2]search
	msg     [2]*message
	pending decode.Pending[uint32, *pending]
	cursors decode.Pending[int64, cursor]
	// streams are answers after which more come, by the number of the last one.
	streams decode.Pending[uint32, *pending]
	// silent are requests that asked for no answer.
	silent decode.Pending[uint32, *pending]
}

// pending is a request that waits for its answer.
type pending struct {
	e       *decode.Exchange
	command string
	more    int64 // answers that came without being asked
}

// cursor is where documents are left to be fetched.
type cursor struct {
	method, target, group string
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{c: c}
	if c.Midstream {
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
	if d.ended[s] {
		return
	}
	d.in[s].Write(at, b)
	for d.read(s) {
	}
}

// read reads one part of what a side sent, and reports whether there may be more.
func (d *decoder) read(s decode.Side) bool {
	q := &d.in[s]
	switch {
	case q.Len() == 0:
		return false
	case d.search[s].why != "":
		return d.look(s)
	case d.msg[s] == nil:
		return d.begin(s)
	}
	m := d.msg[s]
	n := min(m.left, int64(q.Len()))
	if done := m.h.size - m.left; done < headerLen+4 {
		n = min(n, headerLen+4-done) // the flags say whether there is a checksum
	}
	if !m.cut {
		m.read(d.c.Options, q.Bytes()[:n])
	}
	m.left -= n
	m.last = q.AtByte(int(n) - 1)
	q.Advance(n)
	if m.left == 0 {
		d.finish(s)
	}
	return true
}

// begin reads a header.
func (d *decoder) begin(s decode.Side) bool {
	q := &d.in[s]
	if q.Len() < headerLen {
		return false
	}
	h, ok := parseHeader(q.Bytes())
	if !ok {
		d.search[s] = search{why: decode.LostMalformed, skip: true}
		return true
	}
	m := &message{h: h, left: h.size, begin: q.At()}
	command := ""
	if s == decode.Server {
		m.answers = d.asked(h.answerTo)
		if m.answers != nil {
			command = m.answers.command
		}
	}
	m.content = newContent(h.op, newView(d.c.Options, command, s == decode.Server), h.size-headerLen)
	if h.op == opMsg {
		m.check(q.Bytes()[:headerLen])
	}
	m.left -= headerLen
	m.last = q.AtByte(headerLen - 1)
	q.Advance(headerLen)
	d.msg[s] = m
	if m.left == 0 {
		d.finish(s)
	}
	return true
}

// asked returns the request that an answer is for, or the answer before it, or
// nil.
func (d *decoder) asked(id uint32) *pending {
	if p, ok := d.pending.Get(id); ok {
		return p
	}
	p, _ := d.streams.Get(id)
	return p
}

// finish takes a message that has ended, or was cut.
func (d *decoder) finish(s decode.Side) {
	m := d.msg[s]
	d.msg[s] = nil
	m.finish(d.c.Options)
	if c := m.content; c.bad && m.h.op != opCompressed {
		d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: m.h.size - headerLen})
	}
	if m.long {
		d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: m.h.size})
	}
	if s == decode.Client {
		d.request(m)
	} else {
		d.answer(m)
	}
}

// Gap implements [decode.Decoder]. Where the gap ends within a message the rest
// of it is passed over, and the next one is read.
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.ended[s] {
		return
	}
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	if m := d.msg[s]; m != nil && d.search[s].why == "" {
		m.cut = true
		if n >= 0 && n <= m.left {
			if m.left -= n; m.left == 0 {
				d.finish(s)
			}
			return
		}
		d.finish(s)
	}
	d.drop(s)
	d.search[s] = search{why: decode.LostGap}
}

// drop counts the bytes of a side that cannot be read any more.
func (d *decoder) drop(s decode.Side) {
	f := &d.search[s]
	if f.why == "" {
		f.why = decode.LostGap
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
	if m := d.msg[s]; m != nil && d.search[s].why == "" {
		m.cut = true
		d.finish(s)
	}
	d.drop(s)
	for d.ended[decode.Server] {
		p, ok := d.pending.TakeOldest()
		if !ok {
			break
		}
		p.e.Response.Incomplete = true
		d.c.Emit(p.e)
	}
}
