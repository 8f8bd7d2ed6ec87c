package mqtt

import (
	"time"

	"lodge/internal/decode"
)

// decoder takes the two streams apart into packets; session joins them.
type decoder struct {
	conn    *decode.Conn
	session *session
	in      [2]input
	ended   [2]bool
}

// input is the stream of one side.
type input struct {
	buf  decode.Buffer
	pub  *packet // whose payload comes
	need int     // bytes of the payload that are to come
	// searching is why the begin of a packet is looked for; fresh reports that it
	// may well be the next byte.
	searching decode.LossReason
	fresh     bool
	discarded int64
}

// packet is one packet.
type packet struct {
	typ, flags byte
	version    byte // that its size was found with
	from       decode.Side
	start, end time.Time
	bytes      int64  // on the wire
	body       []byte // after the fixed header, without the payload of a PUBLISH
	payload    *decode.Body
	cut, lost  bool // bytes within, or its end, were not seen
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{conn: c, session: newSession(c)}
	if c.Midstream {
		for s := range d.in {
			d.in[s].searching, d.in[s].fresh = decode.LostState, true
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

// step reads one packet, and reports whether there may be another one.
func (d *decoder) step(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	if in.pub != nil {
		return d.payload(s, at)
	}
	b := in.buf.Bytes()
	if len(b) == 0 {
		return false
	}
	if in.searching != "" {
		if !d.search(s, false) {
			return false
		}
		b = in.buf.Bytes()
	}
	remaining, n, ok := fixedHeader(b)
	if !sends(s, b[0]) || !ok {
		d.malformed(s)
		return true
	}
	if n == 0 {
		return false
	}
	p := &packet{typ: b[0] >> 4, flags: b[0] & 0x0f, version: d.session.version, from: s, start: in.buf.At(), end: at, bytes: int64(n + remaining)}
	size := remaining
	if p.typ == publish {
		size = publishHeader(b[n:], p.flags>>1&3, p.version, remaining)
		switch {
		case size < 0:
			d.malformed(s)
			return true
		case size == 0:
			return false
		}
	}
	if n+size > max(d.conn.Limits.Message, 16) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: p.bytes})
		d.session.blind = true
		in.buf.Advance(p.bytes)
		return in.buf.Len() > 0
	}
	if len(b) < n+size {
		return false
	}
	p.body = append([]byte(nil), b[n:n+size]...)
	in.buf.Advance(int64(n + size))
	if p.typ == publish {
		p.payload = decode.NewBody(d.conn.Limits.Body)
		p.bytes = int64(n + size)
		in.pub, in.need = p, remaining-size
		return true
	}
	d.take(p)
	return true
}

// take hands a packet over. One that is not what the protocol allows is counted;
// its size holds nevertheless.
func (d *decoder) take(p *packet) {
	if !d.session.take(p) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: p.from, Reason: decode.LostMalformed, Bytes: p.bytes})
	}
}

func (d *decoder) payload(s decode.Side, at time.Time) bool {
	in := &d.in[s]
	b := in.buf.Bytes()
	n := min(len(b), in.need)
	in.pub.payload.Write(b[:n])
	in.pub.bytes += int64(n)
	in.need -= n
	in.buf.Advance(int64(n))
	if in.need > 0 {
		return false
	}
	d.endPayload(s, at, false)
	return in.buf.Len() > 0
}

// endPayload hands over the PUBLISH whose payload was read, or is lost from here on.
func (d *decoder) endPayload(s decode.Side, at time.Time, lost bool) {
	in := &d.in[s]
	p := in.pub
	in.pub = nil
	p.end, p.lost = at, lost
	d.take(p)
}

// startSearch begins to look for the begin of a packet.
func (d *decoder) startSearch(s decode.Side, why decode.LossReason, fresh bool) {
	in := &d.in[s]
	in.searching, in.fresh = why, fresh
	d.session.gap()
}

// malformed leaves out a byte that begins no packet, and begins to look for one
// that does.
func (d *decoder) malformed(s decode.Side) {
	d.startSearch(s, decode.LostMalformed, false)
	d.in[s].discarded++
	d.in[s].buf.Advance(1)
}

// search looks for the begin of a packet: two packets that follow each other, or
// one where it begins at once. It reports whether it was found. At the end of the
// stream one is enough if it is the last.
func (d *decoder) search(s decode.Side, last bool) bool {
	in := &d.in[s]
	for {
		b := in.buf.Bytes()
		n, v := plausible(b, s)
		if v == decode.Yes && !in.fresh {
			next := decode.Maybe
			if len(b) > n {
				_, next = plausible(b[n:], s)
			}
			if v = next; v == decode.Maybe && last && len(b) == n {
				v = decode.Yes
			}
		}
		switch {
		case v == decode.Yes:
			d.found(s)
			return true
		case v == decode.Maybe && !last, len(b) == 0:
			return false
		}
		in.fresh = false
		in.discarded++
		in.buf.Advance(1)
	}
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
	if in.buf.Gap(n) {
		return // within a packet that is skipped, and counted
	}
	if in.pub != nil && n >= 0 && n <= int64(in.need) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
		in.pub.payload.Skip(n)
		in.pub.cut = true
		if in.need -= int(n); in.need == 0 {
			d.endPayload(s, at, false)
		}
		return
	}
	if in.pub != nil {
		d.endPayload(s, in.buf.Last(), true)
	}
	d.found(s)
	left := int64(in.buf.Len())
	in.buf.Reset()
	if n >= 0 {
		n += left
	}
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	d.startSearch(s, decode.LostGap, true)
}

func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
	in := &d.in[s]
	if in.pub != nil {
		d.endPayload(s, in.buf.Last(), true)
	}
	for in.searching != "" && in.buf.Len() > 0 && d.search(s, true) {
		for d.step(s, at) {
		}
	}
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
