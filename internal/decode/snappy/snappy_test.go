package snappy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

func sized(n int, b string) []byte { return append(binary.AppendUvarint(nil, uint64(n)), b...) }

// java returns blocks in the framing of snappy-java.
func java(blocks ...[]byte) []byte {
	b := []byte(magic + "\x00\x00\x00\x01\x00\x00\x00\x01")
	for _, block := range blocks {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(block))), block...)
	}
	return b
}

// The elements are those of the format's description, each kind once and at its edges.
func TestBlocks(t *testing.T) {
	long := strings.Repeat("0123456789", 7000)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"nothing", sized(0, ""), ""},
		{"a literal", sized(5, "\x10hello"), "hello"},
		{"a literal of 60 bytes", sized(60, "\xec"+long[:60]), long[:60]},
		{"a literal with its length in 1 byte", sized(61, "\xf0\x3c"+long[:61]), long[:61]},
		{"in 2", sized(300, "\xf4\x2b\x01"+long[:300]), long[:300]},
		{"in 3", sized(70000, "\xf8\x6f\x11\x01"+long), long},
		{"in 4", sized(300, "\xfc\x2b\x01\x00\x00"+long[:300]), long[:300]},
		{"a copy with 1 byte", sized(8, "\x0cabcd\x01\x04"), "abcdabcd"},
		{"of 11 bytes from far", sized(2058, "\xf4\xfe\x07"+long[:2047]+"\xfd\xff"), long[:2047] + long[:11]},
		{"a copy with 2 bytes", sized(7, "\x0cabcd\x0a\x03\x00"), "abcdbcd"},
		{"a copy with 4 bytes", sized(70010, "\xf8\x6f\x11\x01"+long+"\x27\x70\x11\x01\x00"), long + long[:10]},
		{"a copy of itself", sized(9, "\x00a\x1e\x01\x00"), "aaaaaaaaa"},
	} {
		out, more, err := Decompress(c.in, len(c.want))
		if err != nil || more || string(out) != c.want {
			t.Errorf("%s: %d bytes of %d, more %v, %v", c.name, len(out), len(c.want), more, err)
		}
		if out, more, err := DecompressJava(java(c.in, c.in), 2*len(c.want)); err != nil || more || string(out) != c.want+c.want {
			t.Errorf("%s, framed: %d bytes of %d, more %v, %v", c.name, len(out), 2*len(c.want), more, err)
		}
		if n := len(c.want); n > 1 {
			if out, more, err := Decompress(c.in, n-1); err != nil || !more || string(out) != c.want[:n-1] {
				t.Errorf("%s, less: %d bytes, more %v, %v", c.name, len(out), more, err)
			}
			if out, _, err := Decompress(c.in[:len(c.in)-1], n); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(c.want, string(out)) {
				t.Errorf("%s, cut off: %d bytes, %v", c.name, len(out), err)
			}
			if out, _, err := DecompressJava(java(c.in)[:streamHead+4+len(c.in)-1], n); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(c.want, string(out)) {
				t.Errorf("%s, framed, cut off: %d bytes, %v", c.name, len(out), err)
			}
		}
	}
}

func TestWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, io.ErrUnexpectedEOF},
		{"no block in a stream", []byte(magic), io.ErrUnexpectedEOF},
		{"a long length", []byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), errSize},
		{"more than 4 GiB", []byte("\xff\xff\xff\xff\xff\x01"), errSize},
		{"before the begin", sized(8, "\x0cabcd\x01\x05"), errDistance},
		{"no distance", sized(8, "\x0cabcd\x01\x00"), errDistance},
		{"before the block", java(sized(4, "\x0cabcd"), sized(4, "\x01\x04")), errDistance},
		{"too long", sized(3, "\x0cabcd"), errLength},
		{"too short", sized(5, "\x0cabcd"), io.ErrUnexpectedEOF},
	} {
		if _, _, err := DecompressJava(c.in, 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// What a block says of its size takes no memory.
	if out, _, err := Decompress(sized(1<<32-1, "\x0cabcd"), 1<<30); string(out) != "abcd" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%q, %v", out, err)
	}
}

// FuzzDecompress holds that no input makes it fail, and that a lower limit gives the same
// bytes.
func FuzzDecompress(f *testing.F) {
	f.Add(sized(8, "\x0cabcd\x01\x04"))
	f.Add(java(sized(8, "\x0cabcd\x01\x04"), sized(9, "\x00a\x1e\x01\x00")))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		b := make([]byte, 50)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		out, more, _ := DecompressJava(b, limit)
		if len(out) > limit || more && len(out) != limit {
			t.Errorf("%d bytes, more %v", len(out), more)
		}
		if half, _, _ := DecompressJava(b, limit/2); !bytes.Equal(half, out[:min(len(out), limit/2)]) {
			t.Errorf("with half of the limit: %d bytes, %d", len(half), len(out))
		}
	})
}
