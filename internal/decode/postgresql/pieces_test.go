package postgresql

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
	blocks := []said{
		c(startup), s(ok), s(one, ready), s(one), s(ready), c(sync), s(failure("42601", "syntax")), c(msg('H')),
		c(msg('Q', "select 1")), c(msg('Q', "select 1; selec; select 2")), c(msg('Q', "copy t from stdin")),
		c(parse("a", "select $1"), bind("", "a", "x"), msg('D', byte('P'), ""), execute("", 2), sync),
		c(parse("", "select $1"), msg('D', byte('S'), ""), sync), s(msg('1'), msg('t', 1, int32(23)), msg('n'), ready),
		s(msg('1'), msg('2')), s(msg('s'), ready), s(msg('G', byte(0), 1, 0)), c(msg('d', []byte("data\n")), msg('c')),
		s(msg('C', "COPY 1"), ready), s(msg('A', int32(1), "news", "x")), s(msg('N', byte('S'), "NOTICE", byte('C'), "00000", byte('M'), "m", byte(0))),
		c(msg('C', byte('S'), "a"), msg('C', byte('P'), ""), sync), s(msg('3'), msg('3'), ready), s(msg('H', byte(0), 1, 0), msg('d', []byte("x")), msg('c')),
		c([]byte("rubbish\x00\x00\x00\x10")), s([]byte("D\x00\x00\x00\x20rub")),
	}
	for seed := range uint64(1500) {
		r := rand.New(rand.NewPCG(seed, 2))
		o := decode.Options{Limits: decode.Limits{Body: 100, Message: 100, Pending: 1 + r.IntN(5), Statements: 1 + r.IntN(3)}, Midstream: r.IntN(2) == 0}
		var d []said
		if !o.Midstream {
			d = opened()
		}
		for range 3 + r.IntN(15) {
			block := blocks[r.IntN(len(blocks))]
			block.b = slices.Clone(block.b)
			if r.IntN(8) == 0 {
				block.b[r.IntN(len(block.b))] ^= 1 << r.IntN(8)
			}
			if r.IntN(8) == 0 {
				block.gap = int64(r.IntN(40)) - 1
			}
			if r.IntN(10) == 0 {
				block.b = block.b[:r.IntN(len(block.b))]
			}
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
