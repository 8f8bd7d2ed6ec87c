package redis

import (
	"bytes"
	"strconv"
	"time"

	"lodge/internal/decode"
)

// visitor is called by a [parser] with the parts of a value, in order.
type visitor interface {
	// open begins an aggregate of n elements, -1 where their number is not told.
	open(typ byte, n int64)
	// close ends the innermost aggregate.
	close()
	// leaf begins a value without elements. Its bytes, without the framing, are
	// given to chunk. null reports that it is a null, which has none.
	leaf(typ byte, null bool)
	chunk(b []byte)
	// hole reports that n bytes of the leaf were not captured.
	hole(n int64)
	endLeaf()
}

// Bounds of what RESP allows here; servers accept less.
const (
	maxDepth  = 128
	maxCount  = 1 << 31
	maxLength = 1 << 32
	maxHeader = 64 // of a line that only has a length
)

// parser reads one value of RESP after another. It holds no more than the line
// that it reads: strings go to the visitor in the pieces in which they come.
type parser struct {
	q       *decode.Buffer
	maxLine int
	v       visitor

	frames  []frame
	state   parseState
	left    int64     // of the bulk string's bytes are to come
	chunked bool      // the bulk string is a streamed one
	inner   bool      // a value has begun
	scanned int       // of the line, known not to have its end
	begin   time.Time // when the value's first byte came
	last    time.Time // when the last byte that was read came
	size    int64     // of the value, with its framing
}

type frame struct {
	typ  byte
	left int64 // elements to come, -1: until the end marker
}

type parseState uint8

const (
	atType  parseState = iota // before a type byte
	inLine                    // in a simple value's line
	inBulk                    // in a string of known length
	atBreak                   // before the CRLF after it
)

// progress is what a step of the parser came to.
type progress uint8

const (
	more      progress = iota // bytes are missing
	stepped                   // it went on within a value
	complete                  // a value is complete
	malformed                 // the bytes are not RESP
)

// step reads one part of a value.
func (p *parser) step() progress {
	b := p.q.Bytes()
	if len(b) == 0 {
		return more
	}
	switch p.state {
	case inLine:
		return p.line(b)
	case inBulk:
		n := min(p.left, int64(len(b)))
		p.v.chunk(b[:n])
		p.left -= n
		p.take(n)
		if p.left == 0 {
			p.state = atBreak
		}
		return stepped
	case atBreak:
		if b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			return malformed
		}
		if len(b) < 2 {
			return more
		}
		p.take(2)
		p.state = atType
		if p.chunked {
			return stepped
		}
		p.v.endLeaf()
		return p.ended()
	}
	return p.header(b)
}

// header reads a type byte, and the line that follows where it has a length.
func (p *parser) header(b []byte) progress {
	typ := b[0]
	if p.chunked && typ != ';' {
		return malformed
	}
	switch typ {
	case '+', '-', ':', '#', ',', '(', '_':
		p.start()
		p.take(1)
		p.state, p.scanned = inLine, 0
		p.v.leaf(typ, typ == '_')
		return stepped
	case '$', '=', '!', ';', '*', '%', '~', '>', '|', '.':
	default:
		return malformed
	}
	i := bytes.IndexByte(b[:min(len(b), maxHeader)], '\n')
	if i < 0 {
		if len(b) >= maxHeader {
			return malformed
		}
		return more
	}
	if b[i-1] != '\r' {
		return malformed
	}
	n, ok := length(b[1 : i-1])
	if typ == '.' {
		ok = i == 2 && len(p.frames) > 0 && p.frames[len(p.frames)-1].left < 0
	}
	if !ok {
		return malformed
	}
	p.start()
	p.take(int64(i) + 1)
	return p.sized(typ, n)
}

// length reads the number of a header, -1 for the null and -2 for "?".
func length(s []byte) (n int64, ok bool) {
	if string(s) == "?" {
		return -2, true
	}
	n, err := strconv.ParseInt(string(s), 10, 64)
	return n, err == nil && n >= -1
}

func (p *parser) sized(typ byte, n int64) progress {
	switch typ {
	case '.':
		return p.shut()
	case ';':
		if !p.chunked || n < 0 || n > maxLength {
			return malformed
		}
		if n == 0 {
			p.chunked = false
			p.v.endLeaf()
			return p.ended()
		}
		p.state, p.left = inBulk, n
		return stepped
	case '$', '=', '!':
		switch {
		case n > maxLength || n == -2 && typ != '$':
			return malformed
		case n == -1:
			p.v.leaf('_', true)
			p.v.endLeaf()
			return p.ended()
		case n == -2:
			p.chunked = true
			p.v.leaf(typ, false)
			return stepped
		}
		p.v.leaf(typ, false)
		p.state, p.left = inBulk, n
		if n == 0 {
			p.state = atBreak
		}
		return stepped
	}
	switch {
	case n > maxCount || len(p.frames) >= maxDepth:
		return malformed
	case n == -1:
		p.v.leaf('_', true)
		p.v.endLeaf()
		return p.ended()
	}
	if typ == '%' || typ == '|' {
		n *= 2
	}
	p.v.open(typ, max(n, -1))
	if n == 0 {
		p.v.close()
		if typ == '|' {
			return stepped
		}
		return p.ended()
	}
	p.frames = append(p.frames, frame{typ: typ, left: max(n, -1)})
	return stepped
}

// line reads more of a simple value's line. What is longer than maxLine is
// skipped.
func (p *parser) line(b []byte) progress {
	i := bytes.IndexByte(b[p.scanned:], '\n')
	if i < 0 {
		p.scanned = len(b)
		if len(b) > p.maxLine {
			keep := int64(len(b))
			if b[len(b)-1] == '\r' {
				keep--
			}
			p.v.chunk(b[:keep])
			p.take(keep)
			p.scanned = len(b) - int(keep)
		}
		return more
	}
	i += p.scanned
	if i == 0 || b[i-1] != '\r' {
		return malformed
	}
	p.v.chunk(b[:i-1])
	p.take(int64(i) + 1)
	p.state = atType
	p.v.endLeaf()
	return p.ended()
}

// ended closes the aggregates whose last element has ended.
func (p *parser) ended() progress {
	for len(p.frames) > 0 {
		f := &p.frames[len(p.frames)-1]
		if f.left < 0 {
			return stepped
		}
		if f.left--; f.left > 0 {
			return stepped
		}
		p.frames = p.frames[:len(p.frames)-1]
		p.v.close()
		if f.typ == '|' {
			// An attribute is no element: the value that it belongs to follows.
			return stepped
		}
	}
	p.inner = false
	return complete
}

// shut closes a streamed aggregate.
func (p *parser) shut() progress {
	typ := p.frames[len(p.frames)-1].typ
	p.frames = p.frames[:len(p.frames)-1]
	p.v.close()
	if typ == '|' {
		return stepped
	}
	return p.ended()
}

func (p *parser) start() {
	if !p.inner {
		p.inner, p.begin, p.size = true, p.q.At(), 0
	}
}

func (p *parser) take(n int64) {
	p.size += n
	p.last = p.q.AtByte(int(n) - 1)
	p.q.Advance(n)
}

// gap skips n missing bytes if they are all within a string, and reports whether
// they are.
func (p *parser) gap(n int64) bool {
	if p.state != inBulk || n < 0 || n > p.left || p.q.Len() > 0 {
		return false
	}
	p.v.hole(n)
	p.size += n
	if p.left -= n; p.left == 0 {
		p.state = atBreak
	}
	return true
}

// reset forgets the value that is being read.
func (p *parser) reset() {
	*p = parser{q: p.q, maxLine: p.maxLine, v: p.v, frames: p.frames[:0]}
}
