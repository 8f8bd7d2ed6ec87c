package mysql

import (
	"bytes"
	"encoding/binary"
)

// reader reads the fields of a packet, which are little-endian. After a read
// beyond its end all fields are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.b, r.bad = nil, true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *reader) uint8() byte {
	if v := r.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (r *reader) uint16() uint16 {
	if v := r.take(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if v := r.take(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if v := r.take(8); v != nil {
		return binary.LittleEndian.Uint64(v)
	}
	return 0
}

// length reads a length-encoded integer; null is set for the byte that stands
// for NULL in a row.
func (r *reader) length() (n uint64, null bool) {
	switch c := r.uint8(); c {
	case 0xfb:
		return 0, true
	case 0xfc:
		return uint64(r.uint16()), false
	case 0xfd:
		v := r.take(3)
		if v == nil {
			return 0, false
		}
		return uint64(v[0]) | uint64(v[1])<<8 | uint64(v[2])<<16, false
	case 0xfe:
		return r.uint64(), false
	case 0xff:
		r.b, r.bad = nil, true
		return 0, false
	default:
		return uint64(c), false
	}
}

// sized reads a length-encoded string.
func (r *reader) sized() []byte {
	v, _, _ := r.value()
	return v
}

// value reads a length-encoded string as far as it is there. size is its length.
func (r *reader) value() (v []byte, size int64, null bool) {
	n, null := r.length()
	if null || r.bad {
		return nil, 0, null
	}
	if n > uint64(len(r.b)) {
		v, r.b, r.bad = r.b, nil, true
		return v, int64(min(n, 1<<40)), false
	}
	return r.take(int(n)), int64(n), false
}

// text reads a string that ends with a zero byte; where none follows, all that
// is left.
func (r *reader) text() string {
	v, rest, ok := bytes.Cut(r.b, []byte{0})
	r.b = rest
	r.bad = r.bad || !ok
	return string(v)
}

// rest reads all that is left.
func (r *reader) rest() []byte { return r.take(len(r.b)) }
