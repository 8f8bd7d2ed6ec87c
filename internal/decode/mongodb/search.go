package mongodb

import "lodge/internal/decode"

// search is what is known while the begin of a message is looked for, after
// bytes that could not be read.
type search struct {
	why    decode.LossReason // empty: it is not looked for
	skip   bool              // what comes next is no begin of a message
	passed int64             // bytes that were passed over
}

// look looks for the begin of a message of a side, and reports whether it found
// one.
func (d *decoder) look(s decode.Side) bool {
	q, f := &d.in[s], &d.search[s]
	from := 0
	if f.skip {
		from = 1
	}
	n, v := find(q.Bytes(), s, from)
	if n > 0 {
		f.skip = false
	}
	f.passed += int64(n)
	q.Advance(int64(n))
	if v != decode.Yes {
		return false
	}
	d.found(s)
	return true
}

// found ends a search, and counts what was passed over.
func (d *decoder) found(s decode.Side) {
	f := &d.search[s]
	if f.passed > 0 {
		d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: f.why, Bytes: f.passed})
	}
	*f = search{}
}
