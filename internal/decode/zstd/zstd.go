// Package zstd decompresses Zstandard (RFC 8878, https://www.rfc-editor.org/rfc/rfc8878)
// of bodies that are there as a whole, up to a limit. It takes no dictionaries, and does
// not look at checksums.
//
// github.com/klauspost/compress/zstd does the same, and costs each start of a program
// that links it a table of 9 KB; much of it is assembly.
package zstd

import (
	"encoding/binary"
	"errors"
	"io"
)

// Errors of input that is no Zstandard, or damaged.
var (
	errMagic      = errors.New("it does not begin as zstd")
	errHead       = errors.New("the head of a frame is damaged")
	errDictionary = errors.New("it needs a dictionary")
	errWindow     = errors.New("it refers back farther than 8 MiB")
	errBlock      = errors.New("a block is damaged")
	errTable      = errors.New("a table is damaged")
	errTree       = errors.New("a Huffman tree is damaged")
	errBits       = errors.New("a stream of bits is damaged")
	errDistance   = errors.New("it refers to what is before it")
)

const (
	magic     = 0xfd2fb528
	skippable = 0x184d2a50 // and the next 15

	maxBlock = 128 << 10
	// maxWindow is how far back content codings may refer (RFC 9659).
	maxWindow = 8 << 20
)

// Decompress returns at most limit bytes of what is compressed in b, one or more frames;
// more reports that there are more. Where the input is cut off (io.ErrUnexpectedEOF) or
// damaged, it returns what is before, and an error.
func Decompress(b []byte, limit int) (out []byte, more bool, err error) {
	f := frame{limit: limit}
	for len(b) > 0 && !f.full() {
		if b, err = f.decode(b); err != nil {
			break
		}
	}
	if f.full() {
		return f.out[:limit], true, nil
	}
	return f.out, false, err
}

// frame is the frame that is decoded, with the output of all of them.
type frame struct {
	limit int
	out   []byte // up to limit+1 bytes
	begin int    // of the frame in out

	lits   []byte
	tree   tree
	tables [kinds]table
	last   [3]int // distances
}

// full reports whether there is more than the limit.
func (f *frame) full() bool { return len(f.out) > f.limit }

func (f *frame) write(b []byte) {
	f.out = append(f.out, b[:min(len(b), f.limit+1-len(f.out))]...)
}

// decode decodes one frame, and returns what comes after it.
func (f *frame) decode(b []byte) ([]byte, error) {
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
	b, checksum, err := head(b[4:])
	if err != nil {
		return nil, err
	}
	f.begin, f.last, f.tree, f.tables = len(f.out), [3]int{1, 4, 8}, tree{}, [kinds]table{}
	for last := false; !last; {
		if b, last, err = f.block(b); err != nil || f.full() {
			return nil, err
		}
	}
	if checksum {
		if len(b) < 4 {
			return nil, io.ErrUnexpectedEOF
		}
		b = b[4:]
	}
	return b, nil
}

// head reads the head of a frame after the magic number (RFC 8878, section 3.1.1.1).
func head(b []byte) (rest []byte, checksum bool, err error) {
	if len(b) == 0 {
		return nil, false, io.ErrUnexpectedEOF
	}
	d := b[0]
	single := d&0x20 != 0
	window, dictionary, size := 1, [4]int{0, 1, 2, 4}[d&3], [4]int{0, 2, 4, 8}[d>>6]
	if single {
		window = 0
		size = max(size, 1)
	}
	b = b[1:]
	switch {
	case d&8 != 0:
		return nil, false, errHead
	case len(b) < window+dictionary+size:
		return nil, false, io.ErrUnexpectedEOF
	}
	if !single {
		base := uint64(1) << (10 + b[0]>>3)
		if base+base/8*uint64(b[0]&7) > maxWindow {
			return nil, false, errWindow
		}
	}
	for _, c := range b[window : window+dictionary] {
		if c != 0 {
			return nil, false, errDictionary
		}
	}
	return b[window+dictionary+size:], d&4 != 0, nil
}

// block decodes one block, and returns what comes after it.
func (f *frame) block(b []byte) (rest []byte, last bool, err error) {
	if len(b) < 3 {
		return nil, false, io.ErrUnexpectedEOF
	}
	v := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
	last = v&1 != 0
	kind, size := v>>1&3, v>>3
	if b = b[3:]; size > maxBlock {
		return nil, false, errBlock
	}
	n := size
	if kind == 1 {
		n = 1
	}
	whole := n <= len(b)
	switch {
	case kind == 0:
		f.write(b[:min(n, len(b))])
	case kind == 3:
		return nil, false, errBlock
	case !whole:
	case kind == 1:
		for range min(size, f.limit+1-len(f.out)) {
			f.out = append(f.out, b[0])
		}
	default:
		lits, err := f.literals(b[:n])
		if err == nil {
			err = f.sequences(lits)
		}
		if err != nil {
			return nil, false, err
		}
	}
	if !whole {
		return nil, false, io.ErrUnexpectedEOF
	}
	return b[n:], last, nil
}
