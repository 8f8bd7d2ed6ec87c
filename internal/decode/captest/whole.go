package captest

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"lodge/internal/decode"
)

// Played is what [PlayAll] counted of one connection.
type Played struct {
	Exchanges, Losses int
	// Input counts the bytes that were given to the flow, and Gaps those that were
	// missing, as far as their number is known.
	Input, Gaps int64
	// Kept counts the bytes of texts and bodies in all exchanges.
	Kept int64
	// Lost counts the bytes that were reported as not decoded: also those of a message
	// that has begun and of which the rest does not come.
	Lost int64
	// Allocated counts the bytes that were allocated meanwhile, and Held the most that
	// were in use after a collection, beyond what was in use before. Held is measured
	// only where much was allocated.
	Allocated, Held int64
}

const playDatagram = 1 << 5 // a connection of datagrams

// PlayAll decodes the input of a fuzz target, as [Play] does, as a connection whose
// protocol is looked for among several. It panics if an exchange cannot be, and
// returns what work it was.
func PlayAll(input []byte, protocols []*decode.Protocol) Played {
	var flags byte
	if len(input) > 0 {
		flags, input = input[0], input[1:]
	}
	o := decode.Options{
		Limits:    decode.DefaultLimits(),
		Secrets:   flags&playSecrets != 0,
		Midstream: flags&playMidstream != 0,
		Datagram:  flags&playDatagram != 0,
	}
	if flags&playSmall != 0 {
		o.Limits = decode.Limits{Body: 16, Message: 256, Pending: 3, Statements: 3}
	}
	var p Played
	events := pieces(input)
	for _, e := range events {
		p.Input += int64(len(e.b))
		if e.kind == gap {
			p.Gaps += max(0, e.n)
		}
	}
	c := decode.NewConn(o, func(e *decode.Exchange) {
		check(e, o.Limits)
		p.Exchanges++
		p.Kept += keptOf(e)
	}, func(l decode.Loss) {
		if l.Bytes < -1 || l.Reason == "" {
			panic(fmt.Sprintf("loss %+v", l))
		}
		p.Losses++
		p.Lost += max(0, l.Bytes)
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f := decode.NewFlow(c, protocols, flags&playUnordered == 0)
	// The ends come last, so that what the flow holds can be seen before it lets go.
	last := len(events) - 2
	for last > 0 && events[last-1].kind == ended {
		last--
	}
	replay(f, events[:last])
	runtime.ReadMemStats(&after)
	if p.Allocated = int64(after.TotalAlloc - before.TotalAlloc); p.Allocated > heldFrom {
		runtime.GC()
		runtime.ReadMemStats(&after)
		p.Held = int64(after.HeapAlloc) - int64(before.HeapAlloc)
	}
	replay(f, events[last:])
	runtime.ReadMemStats(&after)
	p.Allocated = int64(after.TotalAlloc - before.TotalAlloc)
	return p
}

// heldFrom is how much must be allocated for [Played.Held] to be measured: a
// collection takes longer than most inputs.
const heldFrom = 8 << 20

// keptOf returns how many bytes an exchange keeps.
func keptOf(e *decode.Exchange) int64 {
	n := len(e.Method) + len(e.Target) + len(e.Host) + len(e.Group) + len(e.Status)
	for _, m := range []*decode.Message{&e.Request, &e.Response} {
		n += len(m.Body)
		for _, fields := range [][]decode.Field{m.Header, m.Trailer} {
			for _, f := range fields {
				n += len(f.Name) + len(f.Value)
			}
		}
	}
	for _, d := range e.Details {
		n += len(d.Name) + len(d.Value)
	}
	for _, u := range e.Unknown {
		n += len(u)
	}
	return int64(n)
}

// SeedsAll adds connections of captures to the corpus of a fuzz target that gives its
// input to [PlayAll]: the first ones of each file, with the begin of their bytes.
func SeedsAll(f *testing.F, globs ...string) {
	f.Helper()
	for _, seed := range SeedInputs(f, globs...) {
		f.Add(seed)
	}
}

// SeedInputs returns what [SeedsAll] adds.
func SeedInputs(t testing.TB, globs ...string) (inputs [][]byte) {
	t.Helper()
	const (
		perFile = 3
		perSeed = 4 << 10
	)
	for _, glob := range globs {
		files, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Fatalf("no file matches %s", glob)
		}
		for _, file := range files {
			talks, _ := load(t, file)
			for _, talk := range talks[:min(perFile, len(talks))] {
				var flags byte
				if talk.opened.Midstream {
					flags |= playMidstream
				}
				if !talk.opened.ClientKnown {
					flags |= playUnordered
				}
				if talk.datagrams() {
					flags |= playDatagram
				}
				seed := encode(talk.events)
				inputs = append(inputs, append([]byte{flags}, seed[:min(len(seed), perSeed)]...))
			}
		}
	}
	return inputs
}

// Widen returns an input with its bytes in pieces of one byte each, which makes the
// most work of them. Datagrams stay as they are.
func Widen(input []byte) []byte {
	if len(input) == 0 || input[0]&playDatagram != 0 {
		return input
	}
	events := cut(pieces(input[1:]), func() int { return 1 })
	for i := range events {
		events[i].at = time.Time{}
	}
	return append([]byte{input[0]}, encodeAll(events)...)
}
