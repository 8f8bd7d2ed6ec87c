package zstd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// compress runs the reference program.
func compress(t testing.TB, in []byte, args ...string) []byte {
	t.Helper()
	program, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is missing (hint: apt-get install zstd)")
	}
	cmd := exec.Command(program, append([]string{"-q", "-c"}, args...)...)
	cmd.Stdin = bytes.NewReader(in)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("zstd %q: %v", args, err)
	}
	return out
}

// inputs are texts, noise, and what is between them, short and long.
func inputs() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := map[string][]byte{"nothing": {}, "one byte": {'x'}, "zeros": make([]byte, 300_000)}
	words := strings.Fields("lodge taps each request and response of loopback with the process at both ends decoded recorded and nothing lost in silence")
	var text bytes.Buffer
	for text.Len() < 700_000 {
		fmt.Fprintf(&text, "%s %d ", words[r.IntN(len(words))], r.IntN(1000))
	}
	noise := make([]byte, 200_000)
	skewed := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
		skewed[i] = byte(min(r.ExpFloat64()*6, 250))
	}
	out["text"], out["noise"], out["skewed"] = text.Bytes(), noise, skewed
	out["short text"], out["short skewed"] = text.Bytes()[:500], skewed[:300]
	out["all"] = bytes.Join([][]byte{text.Bytes()[:1000], noise[:5000], skewed, text.Bytes()}, nil)
	return out
}

// What the reference program compresses is decompressed, whatever its level.
func TestReference(t *testing.T) {
	for name, in := range inputs() {
		for _, args := range [][]string{{"-1"}, {"-3"}, {"-9"}, {"-15"}, {"-19"}, {"--fast=5"}, {"--no-check"}, {"-5", "--long=22"}} {
			b := compress(t, in, args...)
			out, more, err := Decompress(b, len(in))
			if err != nil || more || !bytes.Equal(out, in) {
				t.Errorf("%s, %q: %d bytes of %d, more %v, %v", name, args, len(out), len(in), more, err)
				continue
			}
			if len(in) < 2 {
				continue
			}
			if out, more, err = Decompress(b, len(in)/2); err != nil || !more || !bytes.Equal(out, in[:len(in)/2]) {
				t.Errorf("%s, %q, half of it: %d bytes, more %v, %v", name, args, len(out), more, err)
			}
			if out, _, err = Decompress(b[:len(b)-5], len(in)); !errors.Is(err, io.ErrUnexpectedEOF) || !bytes.HasPrefix(in, out) {
				t.Errorf("%s, %q, cut off: %d bytes, %v", name, args, len(out), err)
			}
		}
	}
}

// Frames follow each other, with frames between them that are skipped.
func TestFrames(t *testing.T) {
	skip := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, skippable+3), 4)
	one, two := compress(t, []byte("hello, "), "-3"), compress(t, []byte("world"), "-3")
	b := bytes.Join([][]byte{skip, []byte("skip"), one, skip, []byte("skip"), two}, nil)
	if out, more, err := Decompress(b, 100); string(out) != "hello, world" || more || err != nil {
		t.Errorf("%q, %v, %v", out, more, err)
	}
}

func TestWrong(t *testing.T) {
	head := func(rest ...byte) []byte { return append([]byte{0x28, 0xb5, 0x2f, 0xfd}, rest...) }
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"text", []byte("hello, this is text"), errMagic},
		{"too short", []byte("abc"), io.ErrUnexpectedEOF},
		{"no head", head(), io.ErrUnexpectedEOF},
		{"half of a head", head(0x80, 0), io.ErrUnexpectedEOF},
		{"a reserved bit", head(0x28, 0), errHead},
		{"a dictionary", head(0x21, 7, 0), errDictionary},
		{"a large window", head(0x00, 14<<3), errWindow},
		{"a reserved block", head(0x20, 0, 7, 0, 0), errBlock},
		{"a large block", head(0x20, 0, 1, 0, 0xff), errBlock},
		{"no block", head(0x20, 0), io.ErrUnexpectedEOF},
		{"a part of a block", head(0x20, 4, 4<<3|1, 0, 0, 'x'), io.ErrUnexpectedEOF},
	} {
		if _, _, err := Decompress(c.in, 100); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// Damaged input is an error or other output, and nothing else.
func TestDamaged(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	in := inputs()
	for _, name := range []string{"text", "skewed", "all"} {
		b := compress(t, in[name][:20_000], "-19", "--no-check")
		for range 3000 {
			wrong := bytes.Clone(b)
			for range 1 + r.IntN(3) {
				wrong[r.IntN(len(wrong))] = byte(r.Uint32())
			}
			if out, _, _ := Decompress(wrong, 30_000); len(out) > 30_000 {
				t.Fatalf("%d bytes", len(out))
			}
		}
	}
}

// FuzzDecompress holds that no input makes it fail, and that it agrees with itself.
func FuzzDecompress(f *testing.F) {
	for _, in := range inputs() {
		f.Add(compress(f, in[:min(len(in), 5000)], "-19"))
		f.Add(compress(f, in[:min(len(in), 5000)], "-1"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		const limit = 1 << 16
		out, more, err := Decompress(b, limit)
		if len(out) > limit || more && len(out) != limit {
			t.Errorf("%d bytes, more %v", len(out), more)
		}
		half, _, _ := Decompress(b, limit/2)
		if n := min(len(out), limit/2); !bytes.Equal(half, out[:n]) && err == nil {
			t.Errorf("with half of the limit: %d bytes, %d", len(half), n)
		}
	})
}
