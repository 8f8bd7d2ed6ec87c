package pcapfile

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// maxOption is the largest value of an option or a record of a name.
const maxOption = 1<<16 - 1

// block is a block that is being put together.
type block struct {
	b       []byte
	options bool // some option was written, and the end of them is missing
}

// start begins a block in the memory of the one before it.
func (b *block) start(kind uint32) *block {
	b.b, b.options = b.b[:0], false
	if cap(b.b) > 1<<20 { // of an unusually large one
		b.b = nil
	}
	b.uint32(kind)
	b.uint32(0) // length, in finish
	return b
}

// finish returns the bytes of the block, of which other bytes are to come between.
func (b *block) finish(other int) []byte {
	length := uint32(len(b.b) + other + 4)
	b.setUint32(4, length)
	b.uint32(length)
	return b.b
}

func (b *block) uint16(n uint16) { b.b = binary.LittleEndian.AppendUint16(b.b, n) }
func (b *block) uint32(n uint32) { b.b = binary.LittleEndian.AppendUint32(b.b, n) }
func (b *block) uint64(n uint64) { b.b = binary.LittleEndian.AppendUint64(b.b, n) }

func (b *block) setUint32(at int, n uint32) { binary.LittleEndian.PutUint32(b.b[at:], n) }

// timestamp writes the upper half before the lower one.
func (b *block) timestamp(ts uint64) {
	b.uint32(uint32(ts >> 32))
	b.uint32(uint32(ts))
}

// bytes writes bytes, and zeros up to a multiple of 4.
func (b *block) bytes(v []byte) {
	b.b = append(b.b, v...)
	b.pad(len(v))
}

// pad writes the zeros that come after n bytes.
func (b *block) pad(n int) {
	for range padded(n) - n {
		b.b = append(b.b, 0)
	}
}

// option writes an option, or a record of a name, of at most maxOption bytes.
func (b *block) option(code uint16, v []byte) {
	b.uint16(code)
	b.uint16(uint16(len(v)))
	b.bytes(v)
	b.options = true
}

func (b *block) optionUint32(code uint16, n uint32) {
	b.uint16(code)
	b.uint16(4)
	b.uint32(n)
	b.options = true
}

func (b *block) optionUint64(code uint16, n uint64) {
	b.uint16(code)
	b.uint16(8)
	b.uint64(n)
	b.options = true
}

func (b *block) optionPair(code uint16, first, second uint32) {
	b.uint16(code)
	b.uint16(8)
	b.uint32(first)
	b.uint32(second)
	b.options = true
}

// count writes a number, if it is known.
func (b *block) count(code uint16, n Count) {
	if n.Known {
		b.optionUint64(code, n.N)
	}
}

// string writes a string, unless it is empty.
func (b *block) string(code uint16, s string) {
	if s != "" {
		b.text(code, s)
	}
}

func (b *block) comments(comments []string) {
	for _, s := range comments {
		b.text(optComment, s)
	}
}

func (b *block) processes(refs []ProcessRef) {
	for _, p := range refs {
		b.optionPair(optPacketProcess, p.PID, p.TID)
	}
}

// encoded writes options that are encoded.
func (b *block) encoded(options []byte) {
	if len(options) > 0 {
		b.b = append(b.b, options...)
		b.options = true
	}
}

func (b *block) text(code uint16, s string) {
	s = cleaned(s, maxOption)
	b.uint16(code)
	b.uint16(uint16(len(s)))
	b.b = append(b.b, s...)
	b.pad(len(s))
	b.options = true
}

// endOptions ends the options, if there are any.
func (b *block) endOptions() {
	if b.options {
		b.uint32(optEnd)
		b.options = false
	}
}

// cleaned returns s as the format requires it: UTF-8, without NULs, and here of
// at most n bytes.
func cleaned(s string, n int) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, string(utf8.RuneError))
	}
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", string(utf8.RuneError))
	}
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
