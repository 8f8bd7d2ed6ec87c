package kafka

import (
	"encoding/binary"
	"time"

	"lodge/internal/decode"
)

// decoder takes the two streams apart into messages; session joins them.
type decoder struct {
	conn    *decode.Conn
	session *session
	in      [2]input
	ended   [2]bool
}

// input is the stream of one side.
type input struct {
	buf       decode.Buffer
	msg       *message // whose bytes come
	left      int64    // of it
	searching decode.LossReason
	discarded int64
}

// message is a request or a response.
type message struct {
	from       decode.Side
	start, end time.Time
	size       int64  // without the 4 bytes that say it
	body       []byte // at most [decode.Limits.Message] bytes
	cut        bool   // less is held than was sent
	lost       bool   // its end was not seen
	gap        bool   // bytes within were not captured
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{conn: c, session: newSession(c)}
	if c.Midstream {
		d.in[0].searching, d.in[1].searching = decode.LostState, decode.LostState
	}
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.in {
		d.in[s].buf.Release()
	}
}

func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	in := &d.in[s]
	in.buf.Write(at, b)
	for d.step(s, at) {
	}
}

// step reads the size of a message, or as much of it as there is, and reports
// whether there may be more.
func (d *decoder) step(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	switch {
	case in.msg != nil:
		return d.read(s, at)
	case in.searching != "" && !d.search(s):
		return false
	}
	b := in.buf.Bytes()
	if len(b) < 4 {
		return false
	}
	size := int64(int32(binary.BigEndian.Uint32(b)))
	if size < d.least(s) || size > maxMessage {
		d.session.gap()
		in.searching = decode.LostMalformed
		in.discarded++
		in.buf.Advance(1)
		return true
	}
	in.msg, in.left = &message{from: s, start: in.buf.At(), size: size}, size
	in.buf.Advance(4)
	if size == 0 {
		return d.read(s, at)
	}
	return true
}

// least returns the size of the smallest message that a side may send: tokens
// that have no header may have any size.
func (d *decoder) least(s decode.Side) int64 {
	switch {
	case d.session.tokens:
		return 0
	case s == decode.Client:
		return 8
	}
	return 4
}

// read reads of a message what is there.
func (d *decoder) read(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	m := in.msg
	n := min(int64(in.buf.Len()), in.left)
	part := in.buf.Bytes()[:n]
	if room := max(d.conn.Limits.Message, 64) - len(m.body); room < len(part) {
		m.cut = true
		part = part[:max(room, 0)]
	}
	if !m.gap {
		m.body = append(m.body, part...)
	}
	in.buf.Advance(n)
	in.left -= n
	if in.left > 0 {
		return false
	}
	d.take(s, at)
	return in.buf.Len() > 0
}

// take hands the message over that was read.
func (d *decoder) take(s decode.Side, at time.Time) {
	in := &d.in[s]
	m := in.msg
	in.msg = nil
	m.end = at
	if m.cut && !m.gap && !m.lost {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: m.size - int64(len(m.body))})
	}
	if !d.session.take(m) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: m.size + 4})
	}
}

// search looks for the begin of a message, and reports whether it was found: a
// request by its header, a response by the correlation id of a request that
// waits.
func (d *decoder) search(s decode.Side) bool {
	in := &d.in[s]
	for in.buf.Len() > 0 {
		b := in.buf.Bytes()
		v := decode.No
		switch {
		case s == decode.Client:
			v = plausibleRequest(b)
		case len(b) < 8:
			v = decode.Maybe
		default:
			size := int64(int32(binary.BigEndian.Uint32(b)))
			if _, ok := d.session.waiting.Get(int64(int32(binary.BigEndian.Uint32(b[4:])))); ok && size >= 4 && size <= maxMessage {
				v = decode.Yes
			}
		}
		switch v {
		case decode.Yes:
			d.found(s)
			return true
		case decode.Maybe:
			return false
		}
		in.discarded++
		in.buf.Advance(1)
	}
	return false
}

// found ends a search, and counts what was left out in it.
func (d *decoder) found(s decode.Side) {
	in := &d.in[s]
	if in.discarded > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: in.searching, Bytes: in.discarded})
	}
	in.searching, in.discarded = "", 0
}

func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	in := &d.in[s]
	if in.msg != nil && n >= 0 && n <= in.left {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
		in.msg.gap, in.msg.cut = true, true
		if in.left -= n; in.left == 0 {
			d.take(s, at)
		}
		return
	}
	d.cutMessage(s)
	d.found(s)
	if n >= 0 {
		n += int64(in.buf.Len())
	}
	in.buf.Reset()
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	in.searching = decode.LostGap
	d.session.gap()
}

// cutMessage hands over a message whose end is not seen.
func (d *decoder) cutMessage(s decode.Side) {
	in := &d.in[s]
	if m := in.msg; m != nil {
		m.cut, m.lost = true, true
		d.take(s, in.buf.Last())
	}
}

func (d *decoder) End(s decode.Side, _ time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
	d.cutMessage(s)
	in := &d.in[s]
	if n := int64(in.buf.Len()); n > 0 {
		if in.searching == "" {
			in.searching = decode.LostMalformed
			if how == decode.Stopped {
				in.searching = decode.LostGap
			}
		}
		in.discarded += n
		in.buf.Advance(n)
	}
	d.found(s)
	if d.ended[decode.Client] && d.ended[decode.Server] {
		d.session.end()
	}
}
