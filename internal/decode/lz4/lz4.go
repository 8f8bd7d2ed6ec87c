// Package lz4 decompresses LZ4 frames
// (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md)
// that are there as a whole, up to a limit. It takes no dictionaries, and does not look at
// checksums: those of the heads that Kafka's old clients send are wrong
// (https://issues.apache.org/jira/browse/KAFKA-3160).
package lz4

import (
	"encoding/binary"
	"errors"
	"io"
)

// Errors of input that is no LZ4, or damaged.
var (
	errMagic      = errors.New("it does not begin as lz4")
	errHead       = errors.New("the head of a frame is damaged")
	errDictionary = errors.New("it needs a dictionary")
	errBlock      = errors.New("a block is damaged")
	errDistance   = errors.New("it refers to what is before it")
)

const (
	magic     = 0x184d2204
	skippable = 0x184d2a50 // and the next 15
	// maxBlock is the largest block of a frame.
	maxBlock = 4 << 20
)

// Decompress returns at most limit bytes of what is compressed in b, one or more frames;
// more reports that there are more. Where the input is cut off (io.ErrUnexpectedEOF) or
// damaged, it returns what is before, and an error.
func Decompress(b []byte, limit int) (out []byte, more bool, err error) {
	d := decoder{limit: limit}
	for len(b) > 0 && err == nil && !d.full() {
		b, err = d.frame(b)
	}
	if d.full() {
		return d.out[:limit], true, nil
	}
	return d.out, false, err
}

// decoder has the output of all frames, up to limit+1 bytes.
type decoder struct {
	limit int
	out   []byte
	begin int // of what may be referred to
}

// full reports whether there is more than the limit.
func (d *decoder) full() bool { return len(d.out) > d.limit }

func (d *decoder) room() int { return d.limit + 1 - len(d.out) }

// frame decodes one frame, and returns what comes after it.
func (d *decoder) frame(b []byte) ([]byte, error) {
	if len(b) < 4 {
		return nil, io.ErrUnexpectedEOF
	}
	switch id := binary.LittleEndian.Uint32(b); {
	case id&^15 == skippable:
		if len(b) < 8 || uint64(len(b)-8) < uint64(binary.LittleEndian.Uint32(b[4:])) {
			return nil, io.ErrUnexpectedEOF
		}
		return b[8+binary.LittleEndian.Uint32(b[4:]):], nil
	case id != magic:
		return nil, errMagic
	}
	if len(b) < 7 {
		return nil, io.ErrUnexpectedEOF
	}
	flags, head := b[4], 7
	switch {
	case flags>>6 != 1 || flags&2 != 0:
		return nil, errHead
	case flags&1 != 0:
		return nil, errDictionary
	}
	if flags&8 != 0 { // the size of the content
		head += 8
	}
	if len(b) < head {
		return nil, io.ErrUnexpectedEOF
	}
	independent, sums, sum := flags&0x20 != 0, int(flags>>4&1)*4, int(flags>>2&1)*4
	d.begin = len(d.out)
	for b = b[head:]; ; {
		if len(b) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		v := binary.LittleEndian.Uint32(b)
		if b = b[4:]; v == 0 {
			break
		}
		size := int(v &^ (1 << 31))
		if size > maxBlock {
			return nil, errBlock
		}
		part := b[:min(size, len(b))]
		if independent {
			d.begin = len(d.out)
		}
		if v>>31 != 0 {
			d.out = append(d.out, part[:min(len(part), d.room())]...)
		} else if err := d.block(part, len(part) == size); err != nil {
			return nil, err
		}
		if d.full() {
			return nil, nil
		}
		if len(b) < size+sums {
			return nil, io.ErrUnexpectedEOF
		}
		b = b[size+sums:]
	}
	if len(b) < sum {
		return nil, io.ErrUnexpectedEOF
	}
	return b[sum:], nil
}

// block decodes a block, or the begin of one that is cut off.
func (d *decoder) block(b []byte, whole bool) error {
	short := errBlock
	if !whole {
		short = io.ErrUnexpectedEOF
	}
	for !d.full() {
		if len(b) == 0 {
			return short // the last sequence has no copy
		}
		token := b[0]
		n, rest, ok := length(int(token>>4), b[1:])
		if !ok {
			return short
		}
		have := min(n, len(rest))
		d.out = append(d.out, rest[:min(have, d.room())]...)
		if have < n {
			return short
		}
		if b = rest[n:]; len(b) == 0 && whole {
			return nil
		}
		if len(b) < 2 {
			return short
		}
		distance := int(binary.LittleEndian.Uint16(b))
		if n, b, ok = length(int(token&15), b[2:]); !ok {
			return short
		}
		if distance == 0 || distance > len(d.out)-d.begin {
			return errDistance
		}
		for range min(n+4, d.room()) { // what is copied may be what was just written
			d.out = append(d.out, d.out[len(d.out)-distance])
		}
	}
	return nil
}

// length reads the rest of a length, of which a token has 4 bits.
func length(n int, b []byte) (int, []byte, bool) {
	if n < 15 {
		return n, b, true
	}
	for i, c := range b {
		if n += int(c); c != 255 {
			return n, b[i+1:], true
		}
	}
	return 0, nil, false
}
