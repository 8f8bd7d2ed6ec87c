package amqp

import (
	"encoding/binary"
	"time"

	"lodge/internal/decode"
)

// Types of frames.
const (
	frameMethod    = 1
	frameHeader    = 2
	frameBody      = 3
	frameHeartbeat = 8

	frameEnd = 0xce
)

// decoder takes the two streams apart into frames; session joins them.
type decoder struct {
	conn    *decode.Conn
	session *session
	in      [2]input
	ended   [2]bool
}

// input is the stream of one side.
type input struct {
	buf       decode.Buffer
	begun     bool   // the protocol header has passed, or is not looked for
	body      *frame // a body frame whose payload comes
	need      int64  // bytes of it to come, with the frame's end
	searching decode.LossReason
	discarded int64
}

// frame is one frame, or a part of the payload of a body frame.
type frame struct {
	typ        byte
	channel    uint16
	from       decode.Side
	start, end time.Time
	bytes      int64 // on the wire
	payload    []byte
	stray      int64 // bytes of a body that belongs to no message
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{conn: c, session: newSession(c)}
	if c.Midstream {
		for s := range d.in {
			d.in[s].searching, d.in[s].begun = decode.LostState, true
		}
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

// step reads one frame, or as much of a body as there is, and reports whether
// there may be more.
func (d *decoder) step(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	switch {
	case d.session.foreign:
		d.discardForeign(s)
		return false
	case in.body != nil:
		return d.body(s, at)
	case in.searching != "" && !d.search(s):
		return false
	}
	b := in.buf.Bytes()
	if len(b) == 0 {
		return false
	}
	if !in.begun {
		if v := detectHeader(b); v != decode.No {
			if v == decode.Maybe {
				return false
			}
			in.begun = true
			d.session.header(s, version(b), in.buf.At(), at)
			in.buf.Advance(headerSize)
			return true
		}
		in.begun = true
	}
	if len(b) < 7 {
		return false
	}
	f := &frame{typ: b[0], channel: binary.BigEndian.Uint16(b[1:]), from: s, start: in.buf.At(), end: at}
	size := int64(binary.BigEndian.Uint32(b[3:]))
	f.bytes = size + 8
	switch f.typ {
	case frameBody:
		in.body, in.need = f, size+1
		in.buf.Advance(7)
		d.session.body(f, nil, 7)
		return true
	case frameMethod, frameHeader, frameHeartbeat:
	default:
		d.malformed(s)
		return true
	}
	if size > int64(d.conn.Limits.Message) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: f.bytes})
		d.session.gap(s)
		in.buf.Advance(f.bytes)
		return in.buf.Len() > 0
	}
	if int64(len(b)) < f.bytes {
		return false
	}
	if b[f.bytes-1] != frameEnd {
		d.malformed(s)
		return true
	}
	f.payload = append([]byte(nil), b[7:f.bytes-1]...)
	in.buf.Advance(f.bytes)
	if !d.session.frame(f) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: f.bytes})
	}
	return true
}

// body reads of a body frame what is there.
func (d *decoder) body(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	b := in.buf.Bytes()
	if len(b) == 0 {
		return false
	}
	n := min(int64(len(b)), in.need)
	part := b[:n]
	if n == in.need {
		if part[n-1] != frameEnd {
			d.endBody(s, at)
			d.malformed(s)
			return true
		}
		part = part[:n-1]
	}
	in.need -= n
	d.session.body(in.body, part, n)
	in.buf.Advance(n)
	if in.need > 0 {
		return false
	}
	d.endBody(s, at)
	return in.buf.Len() > 0
}

// endBody ends the body frame that is read, if there is one: it is whole, or the
// rest does not come.
func (d *decoder) endBody(s decode.Side, at time.Time) {
	in := &d.in[s]
	f := in.body
	if f == nil {
		return
	}
	in.body = nil
	if f.stray > 0 {
		why := decode.LostMalformed
		if d.session.blind {
			why = decode.LostState
		}
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: why, Bytes: f.stray})
	}
	if in.need == 0 {
		d.session.endBody(f, at)
	}
}

// discardForeign counts what belongs to a version that is not decoded.
func (d *decoder) discardForeign(s decode.Side) {
	in := &d.in[s]
	b := in.buf.Bytes()
	if !in.begun && s == decode.Server {
		// The server's header is the answer to the client's.
		if v := detectHeader(b); v == decode.Maybe {
			return
		} else if v == decode.Yes {
			d.session.header(s, version(b), in.buf.At(), in.buf.Last())
			in.buf.Advance(headerSize)
		}
		in.begun = true
	}
	in.searching = decode.LostUnknown
	in.discarded += int64(in.buf.Len())
	in.buf.Advance(int64(in.buf.Len()))
}

// malformed leaves out a byte that begins no frame, and begins to look for one
// that does.
func (d *decoder) malformed(s decode.Side) {
	in := &d.in[s]
	in.searching = decode.LostMalformed
	in.discarded++
	in.buf.Advance(1)
	d.session.gap(s)
}

// search looks for the begin of a frame, and reports whether it was found.
func (d *decoder) search(s decode.Side) bool {
	in := &d.in[s]
	for in.buf.Len() > 0 {
		switch _, v := plausible(in.buf.Bytes(), s); v {
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

// searchedFrame bounds the size that is believed of frames where the begin of one
// is looked for: it is what servers and clients agree on.
const searchedFrame = 128 << 10

// plausible judges whether a whole frame that a side may send begins b, and
// returns its size.
func plausible(b []byte, s decode.Side) (int, decode.Verdict) {
	if len(b) == 0 {
		return 0, decode.Maybe
	}
	typ := b[0]
	switch typ {
	case frameMethod, frameHeader, frameBody, frameHeartbeat:
	default:
		return 0, decode.No
	}
	if len(b) < 7 {
		return 0, decode.Maybe
	}
	channel, size := binary.BigEndian.Uint16(b[1:]), binary.BigEndian.Uint32(b[3:])
	if size > searchedFrame ||
		typ == frameHeartbeat && (channel != 0 || size != 0) ||
		typ == frameMethod && size < 4 || typ == frameHeader && (size < 14 || channel == 0) || typ == frameBody && channel == 0 {
		return 0, decode.No
	}
	n := int(size) + 8
	p := b[7:]
	if typ == frameMethod && len(p) >= 4 {
		m := find(binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:]))
		if m == nil || (m.class == classConnection) != (channel == 0) || !m.sentBy(s) {
			return 0, decode.No
		}
	}
	if typ == frameHeader && len(p) >= 4 && binary.BigEndian.Uint32(p) != classBasic<<16 {
		return 0, decode.No
	}
	if len(b) < n {
		return 0, decode.Maybe
	}
	if b[n-1] != frameEnd {
		return 0, decode.No
	}
	return n, decode.Yes
}

// sentBy reports whether a side may send a method.
func (m *method) sentBy(s decode.Side) bool {
	switch m.name {
	case "connection.start", "connection.secure", "connection.tune", "connection.open-ok", "connection.blocked", "connection.unblocked",
		"basic.deliver", "basic.return", "basic.get-ok", "basic.get-empty":
		return s == decode.Server
	case "connection.start-ok", "connection.secure-ok", "connection.tune-ok", "connection.open", "basic.publish":
		return s == decode.Client
	case "connection.close", "connection.close-ok", "connection.update-secret", "connection.update-secret-ok",
		"channel.flow", "channel.flow-ok", "channel.close", "channel.close-ok",
		"basic.cancel", "basic.cancel-ok", "basic.ack", "basic.nack":
		return true
	}
	// What is left is asked by the client.
	return (len(m.answers) == 0) == (s == decode.Client)
}

func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	in := &d.in[s]
	if in.buf.Gap(n) {
		return // within a frame that is skipped, and counted
	}
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	if d.session.foreign {
		return
	}
	if in.body != nil && n >= 0 && n <= in.need {
		d.session.skip(in.body, min(n, in.need-1), n)
		if in.need -= n; in.need == 0 {
			d.endBody(s, at)
		}
		return
	}
	d.endBody(s, at)
	d.found(s)
	if left := int64(in.buf.Len()); left > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: left})
	}
	in.buf.Reset()
	in.begun, in.searching = true, decode.LostGap
	d.session.gap(s)
}

func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
	in := &d.in[s]
	d.endBody(s, at)
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
