package lz4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
)

// framed returns a frame of blocks: those that begin with "=" are not compressed. flags
// are independent (0x20), sums of blocks (0x10), size (8) and sum (4) of the content.
func framed(flags byte, blocks ...string) []byte {
	b := append(binary.LittleEndian.AppendUint32(nil, magic), 0x40|flags, 0x70)
	if flags&8 != 0 {
		b = append(b, "12345678"...)
	}
	b = append(b, 'h') // the checksum
	for _, block := range blocks {
		plain, stored := strings.CutPrefix(block, "=")
		size := uint32(len(plain))
		if stored {
			size |= 1 << 31
		}
		b = append(binary.LittleEndian.AppendUint32(b, size), plain...)
		if flags&0x10 != 0 {
			b = append(b, "sum."...)
		}
	}
	b = append(b, 0, 0, 0, 0)
	if flags&4 != 0 {
		b = append(b, "sum."...)
	}
	return b
}

func TestFrames(t *testing.T) {
	long := strings.Repeat("0123456789", 30)
	skip := string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, skippable+3), 4)) + "skip"
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", framed(0), ""},
		{"literals", framed(0, "\x50hello"), "hello"},
		{"many literals", framed(0, "\xf0\xff\x1e"+long), long},
		{"stored", framed(0, "=hello"), "hello"},
		{"a copy", framed(0x20, "\x41abcd\x03\x00\x10e"), "abcdbcdbce"},
		{"a long copy of itself", framed(0x20, "\x1fa\x01\x00\xff\x05\x10b"), strings.Repeat("a", 1+4+15+255+5) + "b"},
		{"of the block before", framed(0, "\x40abcd", "\x00\x04\x00\x10e"), "abcdabcde"},
		{"all that a head may have", framed(0x3c, "\x40abcd", "=efgh", "\x50hello"), "abcdefghhello"},
		{"two frames and skipped ones", bytes.Join([][]byte{[]byte(skip), framed(0, "\x50hello"), []byte(skip), framed(4, "=, world")}, nil), "hello, world"},
	} {
		out, more, err := Decompress(c.in, len(c.want))
		if err != nil || more || string(out) != c.want {
			t.Errorf("%s: %q of %q, more %v, %v", c.name, out, c.want, more, err)
		}
		if n := len(c.want); n > 1 {
			if out, more, err := Decompress(c.in, n-1); err != nil || !more || string(out) != c.want[:n-1] {
				t.Errorf("%s, less: %q, more %v, %v", c.name, out, more, err)
			}
		}
		for n := range len(c.in) {
			if out, _, err := Decompress(c.in[:n], len(c.want)); n > 0 && err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(c.want, string(out)) {
				t.Errorf("%s, %d bytes of it: %q, %v", c.name, n, out, err)
			}
		}
	}
}

func TestWrong(t *testing.T) {
	head := func(rest ...byte) []byte { return append(binary.LittleEndian.AppendUint32(nil, magic), rest...) }
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"text", []byte("hello, this is text"), errMagic},
		{"an unknown version", head(0x80, 0x70, 0), errHead},
		{"a reserved bit", head(0x42, 0x70, 0), errHead},
		{"a dictionary", head(0x41, 0x70, 0), errDictionary},
		{"a large block", append(head(0x40, 0x70, 0), 0, 0, 0, 0x70), errBlock},
		{"no end of a block", framed(0, "\x41abcd\x03\x00"), errBlock},
		{"no length", framed(0, "\xf0"), errBlock},
		{"a half distance", framed(0, "\x41abcd\x03"), errBlock},
		{"before the begin", framed(0, "\x40abcd", "\x00\x05\x00\x10e"), errDistance},
		{"before an independent block", framed(0x20, "\x40abcd", "\x00\x04\x00\x10e"), errDistance},
		{"no distance", framed(0, "\x41abcd\x00\x00\x10e"), errDistance},
	} {
		if _, _, err := Decompress(c.in, 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// FuzzDecompress holds that no input makes it fail, and that a lower limit gives the same
// bytes.
func FuzzDecompress(f *testing.F) {
	f.Add(framed(0x20, "\x41abcd\x03\x00\x10e"))
	f.Add(framed(0x3c, "\x40abcd", "=efgh", "\x1fa\x01\x00\xff\x05\x10b"))
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		out, more, _ := Decompress(b, limit)
		if len(out) > limit || more && len(out) != limit {
			t.Errorf("%d bytes, more %v", len(out), more)
		}
		if half, _, _ := Decompress(b, limit/2); !bytes.Equal(half, out[:min(len(out), limit/2)]) {
			t.Errorf("with half of the limit: %d bytes, %d", len(half), len(out))
		}
	})
}
