package content

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestLongPiece holds that messages that come in parts are decompressed as those are that are
// held whole, and that each may refer to those before it.
func TestLongPiece(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	words := strings.Fields(`{"type": "message", "text": "the same words, again and again", "list": [1, 22, 333]} and others`)
	for _, level := range []int{flate.NoCompression, flate.HuffmanOnly, flate.BestSpeed, flate.DefaultCompression, flate.BestCompression} {
		for _, keep := range []bool{true, false} {
			var sent bytes.Buffer
			z, _ := flate.NewWriter(&sent, level)
			var f Inflater
			for i := range 12 {
				var text strings.Builder
				for size := 1 << (2 * r.IntN(10)); text.Len() < size; {
					text.WriteString(words[r.IntN(len(words))])
					text.WriteByte(byte(r.Uint32()))
				}
				sent.Reset()
				_, _ = z.Write([]byte(text.String()))
				_ = z.Flush()
				b := bytes.TrimSuffix(sent.Bytes(), []byte(flushed[:4]))
				name := fmt.Sprintf("level %d, keep %v, message %d of %d bytes", level, keep, i, text.Len())
				if i%3 == 0 {
					if out, n, err := f.Piece(b, keep, 1<<20, 1<<24); err != nil || string(out) != text.String() || n != int64(text.Len()) {
						t.Fatalf("%s, whole: %d of %d bytes, %v", name, len(out), n, err)
					}
				} else {
					p := f.LongPiece(keep, 1<<20, 1<<24)
					for most := 1 + r.IntN(5000); len(b) > 0; {
						n := min(len(b), 1+r.IntN(most))
						p.Write(b[:n])
						b = b[n:]
					}
					if out, n, err := p.Close(); err != nil || string(out) != text.String() || n != int64(text.Len()) {
						t.Fatalf("%s, in parts: %d of %d bytes, %v", name, len(out), n, err)
					}
				}
				if !keep {
					z.Reset(&sent)
				}
			}
		}
	}
}

// TestLongPieceOfBadInput holds that what the standard library refuses is refused, and that
// the memory is bounded.
func TestLongPieceOfBadInput(t *testing.T) {
	var good bytes.Buffer
	z, _ := flate.NewWriter(&good, flate.BestCompression)
	_, _ = z.Write([]byte(strings.Repeat("a text that is compressed, ", 50)))
	_ = z.Flush()
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		b := bytes.Clone(good.Bytes()[:1+r.IntN(good.Len())])
		for range r.IntN(4) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		var whole, parts Inflater
		want, n, err := whole.Piece(b, false, 1<<16, 1<<16)
		p := parts.LongPiece(false, 1<<16, 1<<16)
		p.Write(b)
		got, m, err2 := p.Close()
		if err == nil && (err2 != nil || n != m || !bytes.Equal(got, want)) {
			t.Fatalf("%x: %d bytes, %v, want %d", b, m, err2, n)
		}
		if err != nil && err2 == nil && !bytes.HasPrefix(got, want) {
			t.Fatalf("%x: %q, %v, want %q, %v", b, got, err2, want, err)
		}
	}
	var bomb bytes.Buffer
	z, _ = flate.NewWriter(&bomb, flate.BestCompression)
	_, _ = z.Write(make([]byte, 1<<24))
	_ = z.Flush()
	var f Inflater
	p := f.LongPiece(true, 100, 1<<16)
	p.Write(bomb.Bytes())
	out, n, err := p.Close()
	if !errors.Is(err, ErrTooMuch) || len(out) != 100 || n > 1<<21 {
		t.Errorf("bomb: %d of %d bytes, %v", len(out), n, err)
	}
}
