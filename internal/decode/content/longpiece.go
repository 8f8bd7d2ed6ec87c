package content

import (
	"errors"
)

// LongPiece decompresses one piece of an [Inflater]'s stream that comes in parts and is too
// long to be held: it keeps the window, and what was not read of the last part. It is
// DEFLATE (RFC 1951), which the standard library reads from an io.Reader only.
type LongPiece struct {
	f     *Inflater
	keep  bool
	limit int
	most  int64
	out   []byte
	n     int64
	err   error

	in   []byte
	pos  int // bits of in that were read
	fed  int64
	step func() bool // what comes next; it reports false where it needs more bytes
	last bool        // the block is the final one
	open bool        // a block that is compressed has begun
	left int         // bytes of a stored block
	lit  huffman
	dist huffman
	text []byte // what was decompressed last, up to twice the window
}

// LongPiece begins a piece, of which limit bytes are kept. After keep, the next piece may
// refer to it. There may be most bytes, and times as many as were compressed.
func (f *Inflater) LongPiece(keep bool, limit, most int) *LongPiece {
	p := &LongPiece{f: f, keep: keep, limit: limit, most: int64(most), text: append(make([]byte, 0, 2*windowBytes), tail(f.window)...)}
	p.step = p.block
	return p
}

// times is how many bytes there may be for each that was compressed, beyond the most that
// there may be: text has fewer, and what has more is a bomb.
const times = 64

var errDamaged = errors.New("flate: corrupt input")

func tail(b []byte) []byte { return b[max(0, len(b)-windowBytes):] }

// Write takes the next bytes of the piece.
func (p *LongPiece) Write(b []byte) {
	if p.err != nil {
		return
	}
	p.in = append(p.in, b...)
	p.fed += int64(len(b))
	for p.err == nil && p.step != nil {
		at := p.pos
		if !p.step() {
			p.pos = at // it is read again with more
			break
		}
		if p.n > p.most+times*p.fed {
			p.err = ErrTooMuch
		}
		if p.pos > 8<<16 {
			p.drop()
		}
	}
	p.drop()
	if p.step == nil {
		p.in = p.in[:0] // what follows the final block
		p.pos = 0
	}
}

// drop forgets the bytes that were read.
func (p *LongPiece) drop() {
	n := copy(p.in, p.in[p.pos/8:])
	p.in, p.pos = p.in[:n], p.pos%8
}

// Close ends the piece, and returns what is kept of it, how many bytes there were, and
// why there are no more.
func (p *LongPiece) Close() ([]byte, int64, error) {
	p.Write([]byte(flushed[:4]))
	if p.err == nil && p.step != nil && (p.open || p.left > 0 || len(p.in)*8-p.pos >= 8) {
		p.err = errDamaged // it is cut off
	}
	if p.keep && p.err == nil {
		p.f.remember(p.text)
	}
	return p.out, p.n, p.err
}

// take reads n bits, at most 16.
func (p *LongPiece) take(n int) (v int, ok bool) {
	if p.pos+n > len(p.in)*8 {
		return 0, false
	}
	for i := range n {
		v |= int(p.in[(p.pos+i)/8]>>((p.pos+i)%8)&1) << i
	}
	p.pos += n
	return v, true
}

func (p *LongPiece) fail() bool {
	p.err = errDamaged
	return false
}

// block reads the header of a block.
func (p *LongPiece) block() bool {
	if p.last {
		p.step = nil
		return true
	}
	head, ok := p.take(3)
	if !ok {
		return false
	}
	switch head >> 1 {
	case 0:
		p.pos = (p.pos + 7) &^ 7
		n, ok1 := p.take(16)
		not, ok2 := p.take(16)
		switch {
		case !ok1 || !ok2:
			return false
		case n != ^not&0xffff:
			return p.fail()
		}
		p.left, p.step = n, p.stored
	case 1:
		p.lit, p.dist = fixedCodes()
		p.step = p.symbol
	case 2:
		if !p.codes() {
			return false
		}
		p.step = p.symbol
	default:
		return p.fail()
	}
	p.last, p.open = head&1 != 0, head>>1 != 0
	return true
}

// stored reads bytes of a block that is not compressed.
func (p *LongPiece) stored() bool {
	b := p.in[p.pos/8:]
	if p.left == 0 {
		p.step = p.block
		return true
	}
	if len(b) == 0 {
		return false
	}
	b = b[:min(len(b), p.left)]
	p.put(b)
	p.left -= len(b)
	p.pos += 8 * len(b)
	return true
}

// put has bytes that were decompressed.
func (p *LongPiece) put(b []byte) {
	p.n += int64(len(b))
	if room := p.limit - len(p.out); room > 0 {
		p.out = append(p.out, b[:min(room, len(b))]...)
	}
	for len(b) > 0 {
		if len(p.text) == cap(p.text) {
			p.text = p.text[:copy(p.text, tail(p.text))]
		}
		n := min(len(b), cap(p.text)-len(p.text))
		p.text = append(p.text, b[:n]...)
		b = b[n:]
	}
}

// symbol reads a byte, a reference, or the end of a block.
func (p *LongPiece) symbol() bool {
	v, ok := p.code(&p.lit)
	switch {
	case !ok:
		return false
	case v < 256:
		p.put([]byte{byte(v)})
		return true
	case v == 256:
		p.step, p.open = p.block, false
		return true
	case v > 285:
		return p.fail()
	}
	length, ok := p.extended(v-257, 2, 3)
	if v == 285 {
		length = 258
	}
	if !ok {
		return false
	}
	v, ok = p.code(&p.dist)
	if !ok {
		return false
	}
	if v > 29 {
		return p.fail()
	}
	back, ok := p.extended(v, 1, 1)
	if !ok {
		return false
	}
	if back > len(p.text) || back > windowBytes {
		return p.fail()
	}
	for range length {
		p.put([]byte{p.text[len(p.text)-back]})
	}
	return true
}

// extended returns the length or the distance of a symbol (RFC 1951 section 3.2.5): of
// 1<<group symbols each the extra bits are as many, and base is the first value.
func (p *LongPiece) extended(v int, group uint, base int) (n int, ok bool) {
	extra := max(0, v>>group-1)
	if v == 28 && group == 2 {
		extra = 0 // the longest length has a symbol of its own
	}
	more, ok := p.take(extra)
	if v < 1<<(group+1) {
		return base + v, ok
	}
	return base + (1<<group+v&(1<<group-1))<<extra + more, ok
}

// code reads a symbol.
func (p *LongPiece) code(h *huffman) (symbol int, ok bool) {
	code, first, index := 0, 0, 0
	for n := 1; n < len(h.counts); n++ {
		bit, ok := p.take(1)
		if !ok {
			return 0, false
		}
		code |= bit
		count := int(h.counts[n])
		if code-count < first {
			return int(h.symbols[index+code-first]), true
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, p.fail()
}

// codes reads the codes of a block that brings its own (RFC 1951 section 3.2.7).
func (p *LongPiece) codes() bool {
	sizes, ok := p.take(14)
	if !ok {
		return false
	}
	nLit, nDist, nLen := sizes&31+257, sizes>>5&31+1, sizes>>10+4
	if nLit > 286 || nDist > 30 {
		return p.fail()
	}
	var lengths [320]byte
	for _, at := range []byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:nLen] {
		n, ok := p.take(3)
		if !ok {
			return false
		}
		lengths[at] = byte(n)
	}
	h, ok := newHuffman(lengths[:19])
	if !ok {
		return p.fail()
	}
	lengths = [320]byte{}
	for i := 0; i < nLit+nDist; {
		v, ok := p.code(&h)
		if !ok {
			return false
		}
		if v < 16 {
			lengths[i] = byte(v)
			i++
			continue
		}
		again, extra, base := byte(0), 2, 3
		switch v {
		case 16:
			if i == 0 {
				return p.fail()
			}
			again = lengths[i-1]
		case 17:
			extra = 3
		default:
			extra, base = 7, 11
		}
		n, ok := p.take(extra)
		switch n += base; {
		case !ok:
			return false
		case i+n > nLit+nDist:
			return p.fail()
		}
		for range n {
			lengths[i] = again
			i++
		}
	}
	var okLit, okDist bool
	p.lit, okLit = newHuffman(lengths[:nLit])
	p.dist, okDist = newHuffman(lengths[nLit : nLit+nDist])
	if !okLit || !okDist {
		return p.fail()
	}
	return true
}

// huffman is a canonical code: how many symbols have each length, and the symbols in
// their order.
type huffman struct {
	counts  [16]uint16
	symbols []uint16
}

// newHuffman makes a code of the lengths of its symbols, 0 for one that has none, and
// reports whether it can be: a code that is not complete has one symbol, or none.
func newHuffman(lengths []byte) (h huffman, ok bool) {
	for _, n := range lengths {
		h.counts[n]++
	}
	h.counts[0] = 0
	left, used := 1, 0
	var at [17]uint16
	for n := 1; n < len(h.counts); n++ {
		if left = left<<1 - int(h.counts[n]); left < 0 {
			return h, false
		}
		used += int(h.counts[n])
		at[n+1] = at[n] + h.counts[n]
	}
	h.symbols = make([]uint16, used)
	for symbol, n := range lengths {
		if n > 0 {
			h.symbols[at[n]] = uint16(symbol)
			at[n]++
		}
	}
	return h, left == 0 || used <= 1
}

// fixedCodes returns the codes of RFC 1951 section 3.2.6.
func fixedCodes() (lit, dist huffman) {
	var lengths [288]byte
	for i := range lengths {
		switch {
		case i < 144:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		case i < 280:
			lengths[i] = 7
		default:
			lengths[i] = 8
		}
	}
	lit, _ = newHuffman(lengths[:])
	for i := range 30 {
		lengths[i] = 5
	}
	dist, _ = newHuffman(lengths[:30])
	return lit, dist
}
