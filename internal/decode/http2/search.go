package http2

import "lodge/internal/decode"

// search looks for the begin of a frame in bytes that may begin in the middle of
// one.
type search struct {
	next int // bytes before it are judged
	// maybe are the indexes among them where a frame may begin, and that need more
	// bytes to be judged, or wait for those before them.
	maybe []int
	moved bool // the first bytes were dropped
}

// maxMaybe is how many places are remembered where a frame may begin.
const maxMaybe = 64

// find returns the index of the first frame in b, which has all bytes that were
// not dropped. A frame that proves itself is taken though one may begin before
// it: bytes of a body often look like the header of a long frame.
func (q *search) find(b []byte) (int, bool) {
	left := q.maybe[:0]
	for _, i := range q.maybe {
		switch v, sure := q.judge(b, i); {
		case v == decode.Yes && (sure || len(left) == 0):
			return i, true
		case v != decode.No:
			left = append(left, i)
		}
	}
	q.maybe = left
	for ; q.next <= len(b)-headerLen; q.next++ {
		switch v, sure := q.judge(b, q.next); {
		case v == decode.Yes && (sure || len(q.maybe) == 0):
			return q.next, true
		case v != decode.No && len(q.maybe) < maxMaybe:
			q.maybe = append(q.maybe, q.next)
		}
	}
	return 0, false
}

// judge judges whether a frame begins at an index.
func (q *search) judge(b []byte, i int) (v decode.Verdict, sure bool) {
	return begins(b[i:], i == 0 && !q.moved)
}

// drop returns how many bytes at the begin of b are none of a frame, for the
// caller to drop them.
func (q *search) drop() int {
	n := q.next
	if len(q.maybe) > 0 {
		n = q.maybe[0]
	}
	if n > 0 {
		q.moved = true
		q.next -= n
		for k := range q.maybe {
			q.maybe[k] -= n
		}
	}
	return n
}

// begins judges whether a frame begins with b, which has at least the header of
// one; sure reports that there is no doubt. At the first bytes after a gap, which
// mostly are the begin of a frame, a frame of few possible values is enough;
// elsewhere another frame has to follow.
func begins(b []byte, first bool) (v decode.Verdict, sure bool) {
	f := parseFrame(b)
	if !f.likely() {
		return decode.No, false
	}
	if first && f.length == 0 && f.kind == frameSettings && f.has(flagAck) {
		return decode.Yes, false
	}
	if len(b) < headerLen+f.length {
		return decode.Maybe, false
	}
	payload := b[headerLen : headerLen+f.length]
	switch f.kind {
	case frameHeaders, framePush:
		t := newTable(decode.Limits{Message: 1 << 16, Statements: 1 << 10})
		t.forget("")
		block, ok := fragment(f, payload)
		if !ok {
			return decode.No, false
		}
		if f.has(flagEndHeaders) {
			l, err := t.decode(block, 1<<16)
			if err != nil || len(l.fields) == 0 {
				return decode.No, false
			}
			if _, ok := senderOf(&l); ok {
				return decode.Yes, true
			}
		}
	case frameSettings:
		for p := payload; len(p) > 0; p = p[6:] {
			if id := int(p[0])<<8 | int(p[1]); id == 0 || id > 16 {
				return decode.No, false
			}
		}
		if first && f.length > 0 {
			return decode.Yes, false
		}
	case frameWindow:
		if n := be32(payload); n == 0 || n>>31 != 0 {
			return decode.No, false
		}
		if first {
			return decode.Yes, false
		}
	case frameReset:
		if be32(payload) >= uint32(len(codes)) {
			return decode.No, false
		}
		if first {
			return decode.Yes, false
		}
	case framePing:
		if first {
			return decode.Yes, false
		}
	}
	next := b[headerLen+f.length:]
	if len(next) < headerLen {
		return decode.Maybe, false
	}
	if parseFrame(next).likely() {
		return decode.Yes, false
	}
	return decode.No, false
}
