package http2

import (
	"time"

	"lodge/internal/decode"
)

// whole handles a frame that is all there.
func (d *decoder) whole(s decode.Side, f frame, p []byte, started, ended time.Time) {
	wire := int64(headerLen + f.length)
	switch f.kind {
	case frameHeaders, framePush:
		d.headers(s, f, p, started, ended)
	case frameContinuation:
		d.continuation(s, f, p, ended)
	case frameReset:
		d.streams.wire(f.stream, s, started, ended, wire)
		d.streams.reset(f.stream, s, be32(p))
	case frameGoAway:
		d.streams.goAway(s, be32(p)&^(1<<31), be32(p[4:]), p[8:], started, ended)
	}
	// SETTINGS_HEADER_TABLE_SIZE allows the other side to make its table larger or
	// asks it to make it smaller; it does so with a size update in its next header
	// block (RFC 7541, section 4.2), and the table follows that. Windows and
	// priorities say nothing about exchanges.
}

// headers begins a header block.
func (d *decoder) headers(s decode.Side, f frame, p []byte, started, ended time.Time) {
	b, ok := fragment(f, p)
	if !ok {
		d.lose(s, decode.LostMalformed, int64(headerLen+f.length))
		d.sides[s].table.forget(whyBlock)
		return
	}
	blk := &block{stream: f.stream, end: f.kind == frameHeaders && f.has(flagEndStream), b: b,
		wire: int64(headerLen + f.length), started: started}
	if f.kind == framePush {
		at := 0
		if f.has(flagPadded) {
			at = 1
		}
		blk.promised = be32(p[at:]) &^ (1 << 31)
	}
	if f.has(flagEndHeaders) {
		d.decodeBlock(s, blk, ended)
		return
	}
	blk.b = append([]byte(nil), b...)
	d.sides[s].block = blk
}

// continuation adds to a header block.
func (d *decoder) continuation(s decode.Side, f frame, b []byte, ended time.Time) {
	p := &d.sides[s]
	blk := p.block
	if blk == nil {
		// The frames before it were not read, or it is none that may be here.
		why := decode.LostState
		if d.streams.whole {
			why = decode.LostMalformed
		}
		d.lose(s, why, int64(headerLen+f.length))
		p.table.forget(whyBlock)
		return
	}
	blk.wire += int64(headerLen + f.length)
	if blk.tooLong = blk.tooLong || len(blk.b)+len(b) > d.c.Limits.Message; blk.tooLong {
		blk.b = nil
	} else {
		blk.b = append(blk.b, b...)
	}
	if f.has(flagEndHeaders) {
		p.block = nil
		d.decodeBlock(s, blk, ended)
	}
}

// dropBlock forgets a header block that does not end.
func (d *decoder) dropBlock(s decode.Side) { d.sides[s].block = nil }

// decodeBlock decodes a header block that is complete.
func (d *decoder) decodeBlock(s decode.Side, blk *block, ended time.Time) {
	t := d.sides[s].table
	var l list
	bad := ""
	if blk.tooLong {
		bad = "it is longer than what is held of it"
		d.lose(s, decode.LostTooLong, blk.wire)
		t.forget(whyBlock)
	} else {
		var err error
		if l, err = t.decode(blk.b, d.c.Limits.Message); err != nil {
			bad = "it is not valid HPACK"
			d.lose(s, decode.LostMalformed, blk.wire)
			t.forget(whyBlock)
		}
	}
	h := header{list: l, bad: bad, why: t.why, end: blk.end, started: blk.started, ended: ended, wire: blk.wire}
	if blk.promised != 0 {
		d.streams.promise(blk.stream, blk.promised, &h)
		return
	}
	d.streams.header(blk.stream, s, &h)
}
