package decode

import "encoding/binary"

// Reader reads the fields of a message that is held whole, in network byte
// order. A read past the end returns zero values, consumes what is left, and
// makes [Reader.Short] true: a decoder reads all fields and asks once.
type Reader struct {
	b     []byte
	off   int
	short bool
}

// NewReader returns a reader of b, which is not copied.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Short reports whether a read went past the end.
func (r *Reader) Short() bool { return r.short }

// Len returns the number of bytes that are left.
func (r *Reader) Len() int { return len(r.b) - r.off }

// Offset returns the number of bytes that were read.
func (r *Reader) Offset() int { return r.off }

// Bytes returns the next n bytes, without copying them; nil where there are
// fewer.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > r.Len() {
		r.off, r.short = len(r.b), true
		return nil
	}
	b := r.b[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// Rest returns all bytes that are left.
func (r *Reader) Rest() []byte { return r.Bytes(r.Len()) }

// Fail makes the reader short: what was read is not what the protocol allows.
func (r *Reader) Fail() { r.off, r.short = len(r.b), true }

// Uint8 returns the next byte.
func (r *Reader) Uint8() uint8 {
	if b := r.Bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// Uint16 returns the next 2 bytes.
func (r *Reader) Uint16() uint16 {
	if b := r.Bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

// Uint32 returns the next 4 bytes.
func (r *Reader) Uint32() uint32 {
	if b := r.Bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// Uint64 returns the next 8 bytes.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// Uvarint returns the next base-128 number, least significant group first, of at
// most size bytes.
func (r *Reader) Uvarint(size int) uint64 {
	var v uint64
	for i := range size {
		c := r.Uint8()
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v
		}
	}
	r.Fail()
	return 0
}
