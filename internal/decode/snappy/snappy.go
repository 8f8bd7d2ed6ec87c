// Package snappy decompresses Snappy
// (https://github.com/google/snappy/blob/main/format_description.txt) of blocks that are
// there as a whole, up to a limit; also the framing of snappy-java, which Kafka's clients
// use.
//
// github.com/golang/snappy does the same, but not up to a limit: a block of a few bytes
// may say that it has 4 GiB.
package snappy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// Errors of input that is no Snappy, or damaged.
var (
	errSize     = errors.New("the length of a block is damaged")
	errDistance = errors.New("it refers to what is before it")
	errLength   = errors.New("a block is longer or shorter than it says")
)

// Decompress returns at most limit bytes of what is compressed in b, one block; more
// reports that there are more. Where the input is cut off (io.ErrUnexpectedEOF) or
// damaged, it returns what is before, and an error.
func Decompress(b []byte, limit int) (out []byte, more bool, err error) {
	out, err = block(nil, b, limit)
	if len(out) > limit {
		return out[:limit], true, nil
	}
	return out, false, err
}

// Java's stream is this magic number, two versions of 4 bytes, and blocks with their
// lengths in network byte order:
// https://github.com/xerial/snappy-java/blob/master/src/main/java/org/xerial/snappy/SnappyCodec.java
const (
	magic      = "\x82SNAPPY\x00"
	streamHead = len(magic) + 8
)

// DecompressJava is [Decompress] of what may have the framing of snappy-java.
func DecompressJava(b []byte, limit int) (out []byte, more bool, err error) {
	if !bytes.HasPrefix(b, []byte(magic)) {
		return Decompress(b, limit)
	}
	if len(b) < streamHead {
		return nil, false, io.ErrUnexpectedEOF
	}
	for b = b[streamHead:]; len(b) > 0 && err == nil && len(out) <= limit; {
		if len(b) < 4 {
			err = io.ErrUnexpectedEOF
			break
		}
		n := uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
		whole := n <= uint64(len(b))
		part := b[:min(n, uint64(len(b)))]
		b = b[len(part):]
		if out, err = block(out, part, limit); err == nil && !whole {
			err = io.ErrUnexpectedEOF
		}
	}
	if len(out) > limit {
		return out[:limit], true, nil
	}
	return out, false, err
}

// block appends one block to out, up to one byte more than the limit of all.
func block(out, b []byte, limit int) ([]byte, error) {
	size, n := binary.Uvarint(b)
	switch {
	case n == 0:
		return out, io.ErrUnexpectedEOF
	case n < 0 || size > math.MaxUint32:
		return out, errSize
	}
	begin, b := len(out), b[n:]
	for len(b) > 0 && len(out) <= limit {
		length, distance, n := element(b)
		if n > len(b) {
			return out, io.ErrUnexpectedEOF
		}
		b = b[n:]
		room := limit + 1 - len(out)
		if distance == 0 {
			have := min(length, uint64(len(b)))
			out = append(out, b[:min(have, uint64(room))]...)
			if have < length {
				return out, io.ErrUnexpectedEOF
			}
			b = b[have:]
			continue
		}
		if distance > uint64(len(out)-begin) {
			return out, errDistance
		}
		for range min(length, uint64(room)) { // what is copied may be what was just written
			out = append(out, out[uint64(len(out))-distance])
		}
	}
	if got := uint64(len(out) - begin); len(out) <= limit && got < size {
		return out, io.ErrUnexpectedEOF
	} else if got > size {
		return out, errLength
	}
	return out, nil
}

// element reads the head of an element: a literal of a length, where distance is 0, or a
// copy of what is so far back. n is the length of the head, which may be more than b has.
func element(b []byte) (length, distance uint64, n int) {
	var field [5]byte
	copy(field[:], b)
	high := uint64(b[0] >> 2)
	rest := binary.LittleEndian.Uint32(field[1:])
	switch b[0] & 3 {
	case 0:
		if high < 60 {
			return high + 1, 0, 1
		}
		n = int(high) - 59 // bytes that have the length
		return uint64(rest&(1<<(8*n)-1)) + 1, 0, 1 + n
	case 1:
		length, distance, n = 4+high&7, high>>3<<8|uint64(field[1]), 2
	case 2:
		length, distance, n = high+1, uint64(rest&0xffff), 3
	default:
		length, distance, n = high+1, uint64(rest), 5
	}
	if distance == 0 {
		distance = math.MaxUint64 // it is never allowed
	}
	return length, distance, n
}
