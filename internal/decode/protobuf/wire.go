// Package protobuf writes messages of Protocol Buffers as text, with the names
// of their fields where their descriptors are known and with the fields' numbers
// otherwise: https://protobuf.dev/programming-guides/encoding and
// https://protobuf.dev/reference/protobuf/textformat-spec.
//
// It reads descriptors itself (descriptor.proto): google.golang.org/protobuf
// registers types when a program starts, which costs each start of a program that
// links it (3.5 ms, and 2 MB of its size), and needs descriptors that are whole
// and valid.
package protobuf

import "errors"

var errWire = errors.New("bytes are not a message of Protocol Buffers")

// The wire types.
const (
	wireVarint = 0
	wireI64    = 1
	wireBytes  = 2
	wireGroup  = 3
	wireEnd    = 4
	wireI32    = 5
)

// maxNumber is the highest number of a field.
const maxNumber = 1<<29 - 1

// field is one field on the wire.
type field struct {
	number uint32
	wire   byte
	value  uint64 // of a number
	bytes  []byte // of a string, bytes, message or packed numbers
}

// next reads the field that b begins with. It returns what follows it.
func next(b []byte) (f field, rest []byte, err error) {
	tag, b, err := varint(b)
	if err != nil {
		return f, nil, err
	}
	if n := tag >> 3; n == 0 || n > maxNumber {
		return f, nil, errWire
	}
	f.number, f.wire = uint32(tag>>3), byte(tag&7)
	switch f.wire {
	case wireVarint:
		f.value, b, err = varint(b)
	case wireI64:
		f.value, b, err = fixed(b, 8)
	case wireI32:
		f.value, b, err = fixed(b, 4)
	case wireBytes:
		var n uint64
		if n, b, err = varint(b); err == nil && n > uint64(len(b)) {
			err = errWire
		}
		if err == nil {
			f.bytes, b = b[:n], b[n:]
		}
	case wireGroup, wireEnd:
	default:
		err = errWire
	}
	return f, b, err
}

func varint(b []byte) (v uint64, rest []byte, err error) {
	for i, c := range b {
		if i == 9 && c > 1 {
			break
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, b[i+1:], nil
		}
	}
	return 0, nil, errWire
}

func fixed(b []byte, n int) (v uint64, rest []byte, err error) {
	if len(b) < n {
		return 0, nil, errWire
	}
	for i := n - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, b[n:], nil
}

// valid reports whether b is a message: fields up to its end, groups closed.
func valid(b []byte) bool {
	var groups []uint32
	for len(b) > 0 {
		f, rest, err := next(b)
		if err != nil {
			return false
		}
		switch f.wire {
		case wireGroup:
			if groups = append(groups, f.number); len(groups) > maxDepth {
				return false
			}
		case wireEnd:
			if len(groups) == 0 || groups[len(groups)-1] != f.number {
				return false
			}
			groups = groups[:len(groups)-1]
		}
		b = rest
	}
	return len(groups) == 0
}

// Nested returns the strings of bytes at a path of field numbers: those of the
// last number in all messages of the numbers before it.
func Nested(b []byte, path ...uint32) (out [][]byte) {
	if len(path) == 0 {
		return [][]byte{b}
	}
	for len(b) > 0 {
		f, rest, err := next(b)
		if err != nil {
			return out
		}
		if f.number == path[0] && f.wire == wireBytes {
			out = append(out, Nested(f.bytes, path[1:]...)...)
		}
		b = rest
	}
	return out
}
