package tls

import (
	"time"

	"lodge/internal/decode"
)

// resume goes on behind n missing bytes, -1 where their number is not known: at the
// next record where its place is known, else at the next one that a key opens.
func (d *decoder) resume(s decode.Side, at time.Time, n int64) {
	p := &d.sides[s]
	have := int64(p.in.Len())
	p.message, p.skip = nil, 0
	if have >= recordHeader && n >= 0 && !p.search {
		b := p.in.Bytes()
		rest := recordHeader + (int64(b[3])<<8 | int64(b[4])) - have
		if n <= rest {
			d.forget(s, at, have)
			p.in.Reset()
			p.in.Advance(rest - n)
			if rest > n {
				d.forget(s, at, rest-n)
			}
			return
		}
	}
	d.forget(s, at, have)
	p.in.Reset()
	p.search = true
}

// forget counts bytes that belong to a record of which others are missing.
func (d *decoder) forget(s decode.Side, at time.Time, n int64) {
	if n > 0 {
		d.lose(s, decode.LostGap, n)
		d.s.traffic(s, at, at, n)
	}
}

// find looks for a record that a key opens. It reports whether to go on.
func (d *decoder) find(s decode.Side) bool {
	p := &d.sides[s]
	b := p.in.Bytes()
	i := 0
	for i < len(b) && !possible(b[i:]) {
		i++
	}
	if i > 0 {
		d.forget(s, p.in.At(), int64(i))
		p.in.Advance(int64(i))
		return p.in.Len() >= recordHeader
	}
	n := recordHeader + (int(b[3])<<8 | int(b[4]))
	if len(b) < n {
		return false
	}
	r := p.take(n)
	if d.crypt.prepare() == done {
		if e, kind, plain, o := d.crypt.open(s, &r); o == done {
			p.search = false
			d.crypt.opened(s, &r, e, kind, plain)
			p.in.Advance(int64(n))
			return true
		}
	}
	if d.crypt.fail(s); d.crypt.sides[s].off {
		p.blind, p.why = true, decode.LostEncrypted
		return false
	}
	d.forget(s, p.in.At(), 1)
	p.in.Advance(1)
	return true
}

// possible reports whether bytes may begin with a record of data.
func possible(b []byte) bool {
	switch {
	case b[0] != recordData, len(b) > 1 && b[1] != 3, len(b) > 2 && b[2] != 3:
		return false
	case len(b) >= recordHeader:
		n := int(b[3])<<8 | int(b[4])
		return n >= minRecord-recordHeader && n <= maxCiphertext
	}
	return true
}
