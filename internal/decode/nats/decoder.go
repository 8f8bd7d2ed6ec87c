package nats

import (
	"bytes"
	"time"

	"lodge/internal/decode"
)

// decoder takes the two streams apart into lines and payloads; session joins them.
type decoder struct {
	conn    *decode.Conn
	session *session
	in      [2]input
	ended   [2]bool
	gone    bool // the connection was handed over
}

// input is the stream of one side.
type input struct {
	buf     decode.Buffer
	scanned int      // bytes of buf that have no line end
	msg     *message // whose payload comes
	// searching reports that the begin of the next message is looked for, and why;
	// inLine that a line is discarded up to its end.
	searching decode.LossReason
	inLine    bool
	discarded int64
}

// message is a line, with what follows it.
type message struct {
	op         op
	from       decode.Side
	start, end time.Time
	bytes      int64 // on the wire
	need       int   // bytes to come: header fields, payload, CR LF
	header     []byte
	body       *decode.Body
	cut        bool // its end was not seen, or something within
	lost       bool // its end was not seen
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
	if d.gone {
		return
	}
	in := &d.in[s]
	in.buf.Write(at, b)
	if s == decode.Client && d.session.beforeConnect() && in.msg == nil && in.searching == "" && in.buf.Bytes()[0] == 0x16 {
		d.gone = true
		d.session.flushInfo()
		d.conn.Handoff("tls", [2][]byte{decode.Client: in.buf.Bytes(), decode.Server: d.in[decode.Server].buf.Bytes()})
		return
	}
	for d.step(s, at) {
	}
}

// step reads one line or as much of a payload as there is, and reports whether
// there may be more.
func (d *decoder) step(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	if in.msg != nil {
		return d.payload(s, at)
	}
	b := in.buf.Bytes()
	end := bytes.IndexByte(b[in.scanned:], '\n')
	if end < 0 {
		in.scanned = len(b)
		if in.inLine {
			in.discard(len(b))
		} else if len(b) > d.conn.Limits.Message {
			d.search(s, decode.LostTooLong)
			in.discard(len(b))
			in.inLine = true
		}
		return false
	}
	n := in.scanned + end + 1
	in.scanned = 0
	var o op
	ok := false
	why := decode.LostMalformed
	switch {
	case in.inLine:
	case n > d.conn.Limits.Message+1:
		why = decode.LostTooLong
	default:
		o, ok = parse(b[:n], s)
	}
	if !ok {
		if in.searching == "" {
			d.search(s, why)
		}
		in.inLine = false
		in.discard(n)
		return true
	}
	d.found(s)
	m := &message{op: o, from: s, start: in.buf.At(), end: at, bytes: int64(n), body: decode.NewBody(d.conn.Limits.Body)}
	in.buf.Advance(int64(n))
	if o.carries {
		m.need = o.size + 2
		in.msg = m
		return true
	}
	d.session.take(m)
	return true
}

// payload reads of the header fields, the payload and the line end what is there.
func (d *decoder) payload(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	m := in.msg
	b := in.buf.Bytes()
	if len(b) == 0 {
		return false
	}
	n := min(len(b), m.need)
	m.bytes += int64(n)
	b = b[:n]
	for len(b) > 0 {
		// done counts what was read of header and payload.
		done := m.op.size + 2 - m.need
		var part []byte
		switch {
		case done < m.op.header:
			part = b[:min(len(b), m.op.header-done)]
			if room := d.conn.Limits.Message - len(m.header); room < len(part) {
				m.cut = true
				m.header = append(m.header, part[:max(room, 0)]...)
			} else {
				m.header = append(m.header, part...)
			}
		case done < m.op.size:
			part = b[:min(len(b), m.op.size-done)]
			m.body.Write(part)
		default:
			part = b[:1]
			if part[0] != "\r\n"[done-m.op.size] {
				m.bytes -= int64(len(b))
				return d.brokenPayload(s, n-len(b))
			}
		}
		m.need -= len(part)
		b = b[len(part):]
	}
	in.buf.Advance(int64(n))
	if m.need > 0 {
		return false
	}
	m.end, in.msg = at, nil
	d.session.take(m)
	return true
}

// brokenPayload is called where no line end follows a payload: the size was
// wrong, or what was taken for a message is none.
func (d *decoder) brokenPayload(s decode.Side, good int) bool {
	in := &d.in[s]
	m := in.msg
	in.msg = nil
	in.buf.Advance(int64(good))
	m.end, m.cut, m.lost = in.buf.Last(), true, true
	d.session.take(m)
	d.search(s, decode.LostMalformed)
	return true
}

// search makes a side look for the begin of a message, and gives up what cannot
// be joined any more.
func (d *decoder) search(s decode.Side, why decode.LossReason) {
	d.found(s)
	d.in[s].searching = why
	d.session.gap()
}

// discard leaves out n bytes.
func (in *input) discard(n int) {
	in.discarded += int64(n)
	in.buf.Advance(int64(n))
	in.scanned = 0
}

// found ends a search, and counts what was left out in it.
func (d *decoder) found(s decode.Side) {
	in := &d.in[s]
	if in.discarded > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: in.searching, Bytes: in.discarded})
	}
	in.searching, in.inLine, in.discarded = "", false, 0
}

func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.gone {
		return
	}
	in := &d.in[s]
	if m := in.msg; m != nil && n >= 0 && n <= int64(m.need) && m.op.size+2-m.need >= m.op.header {
		// The gap ends within the payload or its line end.
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
		m.body.Skip(min(n, max(0, int64(m.need)-2)))
		m.need -= int(n)
		m.cut = true
		if m.need == 0 {
			m.end, in.msg = at, nil
			d.session.take(m)
		}
		return
	}
	d.cutMessage(s)
	left := int64(in.buf.Len())
	in.buf.Reset()
	in.scanned = 0
	d.search(s, decode.LostGap)
	if n >= 0 {
		n += left
	}
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
}

// cutMessage emits a message whose end is not seen.
func (d *decoder) cutMessage(s decode.Side) {
	in := &d.in[s]
	if m := in.msg; m != nil {
		in.msg = nil
		m.end, m.cut, m.lost = in.buf.Last(), true, true
		d.session.take(m)
	}
}

func (d *decoder) End(s decode.Side, _ time.Time, how decode.End) {
	if d.gone || d.ended[s] {
		return
	}
	d.ended[s] = true
	d.cutMessage(s)
	in := &d.in[s]
	if in.searching == "" && in.buf.Len() > 0 {
		in.searching = decode.LostMalformed
		if how == decode.Stopped {
			in.searching = decode.LostGap
		}
	}
	in.discard(in.buf.Len())
	d.found(s)
	if d.ended[decode.Client] && d.ended[decode.Server] {
		d.session.end()
	}
}
