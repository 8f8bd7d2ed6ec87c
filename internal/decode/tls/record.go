package tls

import (
	"time"

	"lodge/internal/decode"
)

const recordHeader = 5

// The lengths of records.
const (
	maxRecord     = 1 << 14
	maxCiphertext = maxRecord + 2048
)

// The types of records.
const (
	recordCCS       = 20 // ChangeCipherSpec
	recordAlert     = 21
	recordHandshake = 22
	recordData      = 23
)

// decoder is one connection.
type decoder struct {
	c     *decode.Conn
	sides [2]direction
	s     session
	crypt *crypt // nil: nothing is decrypted
}

// direction is what one side sends.
type direction struct {
	in      decode.Buffer
	message []byte // of a handshake, as far as it is there
	skip    int    // bytes of a message that is too long
	ccs     bool   // ChangeCipherSpec was sent
	// blind reports that records are not read any more: bytes are missing, or they
	// are no records. Then all bytes are counted as why.
	blind bool
	why   decode.LossReason
	ended bool
	// search reports that the next record is to be found, after missing bytes.
	search bool
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{c: c}
	d.s.begin(c)
	return d
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	p.in.Write(at, b)
	for !p.blind && p.in.Len() >= recordHeader && d.next(s) {
	}
	if p.blind {
		d.rest(s)
	}
}

// rest counts what a side has sent after its records could not be read any more.
func (d *decoder) rest(s decode.Side) {
	p := &d.sides[s]
	if n := int64(p.in.Len()); n > 0 {
		d.s.unread(s, p.in.At(), p.in.AtByte(int(n)-1), p.in.Bytes())
		d.lose(s, p.why, n)
		p.in.Advance(n)
	}
}

func (d *decoder) lose(s decode.Side, why decode.LossReason, n int64) {
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: why, Bytes: n})
}

// next reads one record, or looks for one. It reports whether to go on.
func (d *decoder) next(s decode.Side) bool {
	if d.sides[s].search {
		return d.find(s)
	}
	return d.record(s)
}

// record reads one record. It reports whether there was a whole one.
func (d *decoder) record(s decode.Side) bool {
	p := &d.sides[s]
	b := p.in.Bytes()
	kind, n := b[0], int(b[3])<<8|int(b[4])
	if kind < recordCCS || kind > recordData+1 || b[1] != 3 || n > maxCiphertext {
		d.notRecord(s)
		return false
	}
	n += recordHeader
	if len(b) < n {
		return false
	}
	r := p.take(n)
	d.handle(s, &r)
	p.in.Advance(int64(n))
	return true
}

// take returns the record of n bytes that is there, which is valid until the next
// bytes come.
func (p *direction) take(n int) record {
	b := p.in.Bytes()[:n]
	r := record{kind: b[0], header: [recordHeader]byte(b), payload: b[recordHeader:], started: p.in.At(), ended: p.in.AtByte(n - 1), wire: int64(n)}
	if !r.started.Equal(r.ended) {
		p.in.Moments(n, func(i int, at time.Time) { r.moments = append(r.moments, moment{i, at}) })
	}
	return r
}

// record is one record.
type record struct {
	kind           byte
	payload        []byte
	started, ended time.Time
	wire           int64
	header         [recordHeader]byte
	moments        []moment // when its bytes came, where it was not at one time
}

// moment is when the bytes of a record came from an index on.
type moment struct {
	index int
	at    time.Time
}

// notRecord is for a side that does not send TLS.
func (d *decoder) notRecord(s decode.Side) {
	p := &d.sides[s]
	p.blind, p.why = true, decode.LostMalformed
	if d.c.Midstream && p.in.Pos() == 0 {
		p.why = decode.LostState // the recording began in a record
		return
	}
	d.s.notTLS(s, p.in.At())
}

func (d *decoder) handle(s decode.Side, r *record) {
	p := &d.sides[s]
	encrypted := r.kind == recordData || p.ccs && !d.s.hidesCCS() && r.kind != recordCCS
	switch {
	case encrypted && d.crypt != nil:
		d.crypt.record(s, r)
	case encrypted:
		d.s.encrypted(s, r)
		d.lose(s, decode.LostEncrypted, r.wire)
	case r.kind == recordCCS && p.ccs && d.crypt != nil && !d.s.hidesCCS():
		d.crypt.renegotiated()
	case r.kind == recordCCS:
		p.ccs = true
		d.s.changed(s, r)
	case r.kind == recordAlert && len(r.payload) == 2:
		d.s.alert(s, r)
	case r.kind == recordHandshake:
		d.s.count(s, r)
		d.handshake(s, r)
	default:
		d.lose(s, decode.LostMalformed, r.wire)
		d.s.count(s, r)
	}
}

// handshake reads the messages in a record, which may begin in one before it.
func (d *decoder) handshake(s decode.Side, r *record) {
	p := &d.sides[s]
	b := r.payload
	if n := min(p.skip, len(b)); n > 0 {
		p.skip -= n
		b = b[n:]
	}
	p.message = append(p.message, b...)
	for len(p.message) >= 4 {
		m := p.message
		n := 4 + (int(m[1])<<16 | int(m[2])<<8 | int(m[3]))
		if n > d.c.Limits.Message {
			d.lose(s, decode.LostTooLong, int64(n))
			if d.crypt != nil {
				d.crypt.said.over = true // one of them is missing
			}
			have := min(n, len(m))
			p.skip, p.message = n-have, m[have:]
			continue
		}
		if len(m) < n {
			return
		}
		d.s.message(s, m[0], m[4:n], r)
		if d.crypt != nil {
			d.crypt.message(s, m[:n])
		}
		p.message = m[n:]
	}
	if len(p.message) == 0 {
		p.message = nil
	}
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	p := &d.sides[s]
	if p.ended || p.in.Gap(n) {
		return
	}
	d.lose(s, decode.LostGap, n)
	if !p.blind && d.crypt != nil && d.crypt.gap(s, at, n) {
		d.resume(s, at, n)
		return
	}
	if !p.blind {
		p.blind, p.why = true, decode.LostEncrypted
		if !d.s.done {
			p.why = decode.LostGap
		}
		p.message = nil
	}
	d.rest(s)
	d.s.gap(s)
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	p.ended = true
	if n := int64(p.in.Len()); n > 0 {
		d.lose(s, decode.LostGap, n) // the rest of the record was not captured
		d.s.unread(s, p.in.At(), p.in.Last(), p.in.Bytes())
		p.in.Reset()
	}
	d.s.end(s, how)
	if d.crypt != nil {
		d.crypt.end(s, at, how, d.sides[s.Other()].ended)
	}
	if d.sides[s.Other()].ended {
		d.s.close()
	}
}
