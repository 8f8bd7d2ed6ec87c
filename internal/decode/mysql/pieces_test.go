package mysql

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lodge/internal/decode"
)

// TestPieces holds that the exchanges of damaged connections do not depend on how
// the bytes are cut either.
func TestPieces(t *testing.T) {
	plain := []said{
		c(ask("select 1")), c(ask("select 1; selec; call p()")), s(oneRow("1")), s(pack(1, okBody)), s(pack(1, wrong(1064, "42000", "x"))),
		s(numbered("\x01", col("n", 0xfd), eofBody, "\x011", "\xfe\x00\x00\x0a\x00")), c(pack(0, "\x16select ?")), s(prepared(true)), s(prepared(false)),
		c(pack(0, "\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00", "\x00\x01\x03\x00", "\x2a\x00\x00\x00")), s(numbered("\x01", col("n", 3), eofBody, "\x00\x00\x2a\x00\x00\x00", eofBody)),
		c(pack(0, "\x19\x05\x00\x00\x00")), c(pack(0, "\x0e")), s(numbered("\xfbfile")), c(pack(2, "data"), pack(3, "")), c(pack(0, "\x18\x05\x00\x00\x00\x00\x00piece")),
		c(pack(0, "\x11u\x00\x00d\x00")), s(pack(1, "\xfeplugin\x00")), c(pack(2, "secret")), s(numbered("\xff\xff\xff\x01\x01\x02\x00\x00\x00\x04work")),
		c(pack(0, "\x1c\x05\x00\x00\x00\x02\x00\x00\x00")), s(numbered("\x00\x00\x2a\x00\x00\x00", eofBody)), c("rubbish"), s("\x20\x00\x00\x01rub"),
		s(numbered("\x01", col("n", 0xfd), eofBody, "\x011", "\x012", "\x013", "\x014", "\x015", "\x016", eofBody)),
	}
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 2))
		o := decode.Options{Limits: decode.Limits{Body: 100, Message: 100, Pending: 1 + r.IntN(5), Statements: 1 + r.IntN(3)}, Midstream: r.IntN(2) == 0}
		compressed := r.IntN(3) == 0
		var d []said
		if !o.Midstream {
			caps := uint64(baseCaps)
			if compressed {
				caps |= capCompress
			}
			d = opening(caps)
		}
		for range 3 + r.IntN(15) {
			block := plain[r.IntN(len(plain))]
			if compressed {
				if block.b = raw(r.IntN(2), block.b); r.IntN(2) == 0 {
					block.b = deflated(r.IntN(2), block.b[compressedHeader:])
				}
			}
			b := []byte(block.b)
			if r.IntN(8) == 0 {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
			if r.IntN(8) == 0 {
				block.gap = int64(r.IntN(40)) - 1
			}
			if r.IntN(10) == 0 {
				b = b[:r.IntN(len(b))]
			}
			block.b = string(b)
			d = append(d, block)
		}
		want := play(o, d, 1<<20)
		for _, piece := range []int{1, 5} {
			if got := play(o, d, piece); !slices.Equal(got, want) {
				var text strings.Builder
				for _, b := range d {
					fmt.Fprintf(&text, "%s gap %d %q\n", b.by, b.gap, b.b)
				}
				t.Fatalf("seed %d, in pieces of %d:\n got %s\nwant %s\n%s", seed, piece, strings.Join(got, "\n     "), strings.Join(want, "\n     "), text.String())
			}
		}
	}
}
