package captest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lodge/internal/decode"
)

// Splits decodes each connection of a capture again with its bytes cut into
// other pieces: adjacent segments of a side together, byte by byte, and at random
// with fixed seeds. The exchanges must be equal but for their times. Those that
// have only begun are left out, and losses are summed up by reason. Datagrams
// stay as they are.
func Splits(t *testing.T, file string, protocols ...*decode.Protocol) {
	t.Helper()
	SplitsWith(t, file, decode.Options{Limits: decode.DefaultLimits()}, protocols...)
}

// SplitsWith is [Splits] with options, as for [FlowsWith].
func SplitsWith(t *testing.T, file string, o decode.Options, protocols ...*decode.Protocol) {
	t.Helper()
	talks, _ := load(t, file)
	for _, talk := range talks {
		want := splitText(talk, talk.events, o, protocols)
		for name, events := range splits(talk) {
			if d := difference(want, splitText(talk, events, o, protocols)); d != "" {
				t.Errorf("%s, %s: other exchanges than as captured (-):\n%s", file, name, d)
				break // once for each connection
			}
		}
	}
}

func splitText(talk *talk, events []event, o decode.Options, protocols []*decode.Protocol) string {
	f := run(talk, events, o, protocols).flow
	whole := f.Exchanges[:0]
	for _, e := range f.Exchanges {
		if !e.Begun {
			whole = append(whole, e)
		}
	}
	f.Exchanges = whole
	return flowText(f, time.Time{}, false)
}

// splits calls yield with the events of a conversation in several other forms,
// and what each is.
func splits(talk *talk) func(yield func(string, []event) bool) {
	return func(yield func(string, []event) bool) {
		if talk.datagrams() {
			return
		}
		whole := joined(talk.events)
		if !yield("whole", whole) || !yield("byte by byte", cut(whole, func() int { return 1 })) {
			return
		}
		for seed := range uint64(6) {
			r := rand.New(rand.NewPCG(seed, 1))
			sizes := []int{3, 17, 300, 3000}
			size := func() int { return 1 + r.IntN(sizes[r.IntN(len(sizes))]) }
			if !yield(fmt.Sprintf("random pieces, seed %d", seed), cut(whole, size)) {
				return
			}
		}
	}
}

// joined returns events with adjacent bytes of a side in one.
func joined(events []event) []event {
	var out []event
	for _, e := range events {
		if n := len(out); n > 0 && e.kind == data && out[n-1].kind == data && out[n-1].side == e.side {
			out[n-1].b = append(out[n-1].b[:len(out[n-1].b):len(out[n-1].b)], e.b...)
			continue
		}
		out = append(out, e)
	}
	return out
}

// cut returns events with bytes in pieces of the sizes that size returns.
func cut(events []event, size func() int) []event {
	var out []event
	for _, e := range events {
		for e.kind == data {
			n := size()
			if n >= len(e.b) {
				break
			}
			piece := e
			piece.b, e.b = e.b[:n], e.b[n:]
			out = append(out, piece)
		}
		out = append(out, e)
	}
	return out
}
