package zstd

import (
	"encoding/binary"
	"math/bits"
)

// reverse reads a stream of bits from its end to its beginning (RFC 8878, section
// 4.1). Bits before the beginning are zero.
type reverse struct {
	b    []byte
	left int // bits that are not read yet; less than 0: more were read than there are
}

// newReverse opens a stream: the highest bit that is set in the last byte is its end.
func newReverse(b []byte) (reverse, error) {
	if len(b) == 0 || b[len(b)-1] == 0 {
		return reverse{}, errBits
	}
	return reverse{b: b, left: 8*(len(b)-1) + bits.Len8(b[len(b)-1]) - 1}, nil
}

// peek returns the next n bits, at most 32.
func (r *reverse) peek(n int) uint64 {
	start := r.left - n
	if start < 0 {
		if r.left <= 0 {
			return 0
		}
		return r.at(0, r.left) << -start
	}
	return r.at(start, n)
}

// at returns n bits from a bit on.
func (r *reverse) at(start, n int) uint64 {
	i := start >> 3
	var v uint64
	if i+8 <= len(r.b) {
		v = binary.LittleEndian.Uint64(r.b[i:])
	} else {
		for j, c := range r.b[i:] {
			v |= uint64(c) << (8 * j)
		}
	}
	return v >> (start & 7) & (1<<n - 1)
}

// read returns the next n bits, at most 32.
func (r *reverse) read(n int) uint64 {
	v := r.peek(n)
	r.left -= n
	return v
}

// forward reads bits from the beginning on, the lowest bit of a byte first.
type forward struct {
	b  []byte
	at int // in bits
}

// peek returns the next n bits, at most 16; those after the end are zero.
func (r *forward) peek(n int) int {
	v := 0
	for j := range 3 {
		if i := r.at>>3 + j; i < len(r.b) {
			v |= int(r.b[i]) << (8 * j)
		}
	}
	return v >> (r.at & 7) & (1<<n - 1)
}

// bytes returns how many bytes were begun, which may be more than there are.
func (r *forward) bytes() int { return (r.at + 7) >> 3 }
