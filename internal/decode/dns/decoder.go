package dns

import (
	"encoding/binary"
	"time"

	"lodge/internal/decode"
)

// decoder takes streams apart into messages; session joins them.
type decoder struct {
	conn    *decode.Conn
	session *session
	in      [2]input
	ended   [2]bool
}

// input is the stream of one side.
type input struct {
	buf       decode.Buffer
	searching decode.LossReason
	discarded int64
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{conn: c, session: &session{conn: c}}
	if c.Midstream && !c.Datagram {
		d.in[0].searching, d.in[1].searching = decode.LostState, decode.LostState
	}
	return d
}

func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.conn.Datagram {
		d.take(s, b, at, at, int64(len(b)))
		return
	}
	in := &d.in[s]
	in.buf.Write(at, b)
	for d.step(s, at) {
	}
}

// step reads one message, and reports whether there may be another one.
func (d *decoder) step(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	if in.searching != "" && !d.search(s) {
		return false
	}
	b := in.buf.Bytes()
	if len(b) < 2 {
		return false
	}
	n := 2 + int64(binary.BigEndian.Uint16(b))
	if n-2 > int64(d.conn.Limits.Message) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: n})
		in.buf.Advance(n)
		return in.buf.Len() > 0
	}
	if int64(len(b)) < n {
		return false
	}
	d.take(s, b[2:n], in.buf.At(), at, n)
	in.buf.Advance(n)
	return in.buf.Len() > 0
}

// take reads a message of n bytes on the wire.
func (d *decoder) take(s decode.Side, b []byte, start, end time.Time, n int64) {
	m, ok := parse(b)
	if m == nil {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: n})
		return
	}
	if !ok {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: int64(m.rest)})
	}
	d.session.take(m, arrival{s, start, end, n})
}

// search looks for the begin of a message, and reports whether it was found.
func (d *decoder) search(s decode.Side) bool {
	in := &d.in[s]
	for in.buf.Len() > 0 {
		switch searched(in.buf.Bytes(), s) {
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

// maxSearched bounds the size that is believed of a message where the begin of
// one is looked for.
const maxSearched = 4096

// searched judges whether a whole message that a side may send begins b.
func searched(b []byte, s decode.Side) decode.Verdict {
	v := detectMessage(b, s)
	if v == decode.No || len(b) < 2 {
		return v
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	switch {
	case n > maxSearched:
		return decode.No
	case len(b) < n:
		return decode.Maybe
	}
	if _, ok := parse(b[2:n]); !ok {
		return decode.No
	}
	return v
}

// found ends a search, and counts what was left out in it.
func (d *decoder) found(s decode.Side) {
	in := &d.in[s]
	if in.discarded > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: in.searching, Bytes: in.discarded})
	}
	in.searching, in.discarded = "", 0
}

func (d *decoder) Gap(s decode.Side, _ time.Time, n int64) {
	in := &d.in[s]
	if d.conn.Datagram {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
		return
	}
	if in.buf.Gap(n) {
		return // within a message that is skipped, and counted
	}
	if b := in.buf.Bytes(); n >= 0 && in.searching == "" && len(b) >= 2 {
		if size := 2 + int64(binary.BigEndian.Uint16(b)); size >= int64(len(b))+n {
			// The gap ends within the message, which is left out.
			d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: size})
			in.buf.Reset()
			in.buf.Advance(size - int64(len(b)) - n)
			return
		}
	}
	d.found(s)
	if n >= 0 {
		n += int64(in.buf.Len())
	}
	in.buf.Reset()
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	in.searching = decode.LostGap
}

func (d *decoder) End(s decode.Side, _ time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
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
