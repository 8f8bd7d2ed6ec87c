package captest

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"lodge/internal/decode"
)

// The input of [Play] is a byte of flags and pieces. A piece is a byte with the
// side in its lowest bit and the kind in the next four. Bytes and a gap are
// followed by a length of two bytes; a length beyond the input is what is there.
const (
	playForced    = 1 << iota // the protocol is not looked for
	playMidstream             // the begin of the connection was not seen
	playUnordered             // which side is the client is not known
	playSecrets               // secrets are kept
	playSmall                 // little is kept
)

const (
	pieceGap     = 12 // less: bytes
	pieceUnknown = 13 // a gap of unknown size
	pieceClosed  = 14
	pieceReset   = 15
)

// maxSeed is the size of a seed: the fuzzer is slow with long ones.
const maxSeed = 32 << 10

// Seeds adds the connections of captures to the corpus of a fuzz target that
// gives its input to [Play].
func Seeds(f *testing.F, glob string) {
	f.Helper()
	files, err := filepath.Glob(glob)
	if err != nil {
		f.Fatal(err)
	}
	if len(files) == 0 {
		f.Fatalf("no file matches %s", glob)
	}
	for _, file := range files {
		talks, _ := load(f, file)
		for _, talk := range talks {
			var flags byte
			if talk.opened.Midstream {
				flags |= playMidstream
			}
			if !talk.opened.ClientKnown {
				flags |= playUnordered
			}
			seed := encode(talk.events)
			f.Add(append([]byte{flags}, seed...))
			f.Add(append([]byte{flags | playForced | playSmall}, seed...))
		}
	}
}

// encode returns events as pieces, as many as a seed may have.
func encode(events []event) []byte {
	n := 0
	for size := 0; n < len(events) && size <= maxSeed; n++ {
		size += len(events[n].b) + 3
	}
	return encodeAll(events[:n])
}

// encodeAll returns events as pieces.
func encodeAll(events []event) []byte {
	var out []byte
	for _, e := range events {
		switch {
		case e.kind == data:
			for b := e.b; len(b) > 0; {
				n := min(len(b), 0xffff, maxSeed)
				out = binary.BigEndian.AppendUint16(append(out, byte(e.side)), uint16(n))
				out = append(out, b[:n]...)
				b = b[n:]
			}
		case e.kind == gap && e.n >= 0:
			out = binary.BigEndian.AppendUint16(append(out, byte(e.side)|pieceGap<<1), uint16(min(e.n, 0xffff)))
		case e.kind == gap:
			out = append(out, byte(e.side)|pieceUnknown<<1)
		case e.how == decode.Closed:
			out = append(out, byte(e.side)|pieceClosed<<1)
		case e.how == decode.Reset:
			out = append(out, byte(e.side)|pieceReset<<1)
		}
	}
	return out
}

// Play decodes the input of a fuzz target as a connection of a protocol, and
// returns the exchanges. It panics if one of them cannot be.
func Play(input []byte, p *decode.Protocol) []*decode.Exchange {
	var flags byte
	if len(input) > 0 {
		flags, input = input[0], input[1:]
	}
	o := decode.Options{
		Limits:    decode.DefaultLimits(),
		Secrets:   flags&playSecrets != 0,
		Midstream: flags&playMidstream != 0,
		Datagram:  p.Datagram,
	}
	if flags&playSmall != 0 {
		o.Limits = decode.Limits{Body: 16, Message: 256, Pending: 3, Statements: 3}
	}
	if flags&playForced != 0 {
		p = forced(p)
	}
	var got []*decode.Exchange
	c := decode.NewConn(o, func(e *decode.Exchange) {
		check(e, o.Limits)
		got = append(got, e)
	}, func(l decode.Loss) {
		if l.Bytes < -1 || l.Reason == "" {
			panic(fmt.Sprintf("loss %+v", l))
		}
	})
	f := decode.NewFlow(c, []*decode.Protocol{p}, flags&playUnordered == 0)
	replay(f, pieces(input))
	return got
}

// forced returns a protocol that is found at once, the first time that it is
// looked for.
func forced(p *decode.Protocol) *decode.Protocol {
	q, found := *p, false
	q.Detect = func(*decode.Prefix) decode.Verdict {
		if found {
			return decode.No
		}
		found = true
		return decode.Yes
	}
	return &q
}

// check panics if a decoder must not emit an exchange.
func check(e *decode.Exchange, l decode.Limits) {
	switch {
	case e == nil:
		panic("an exchange that is nil")
	case e.Protocol == "" || e.Kind == "":
		panic(fmt.Sprintf("an exchange without protocol or kind: %+v", e))
	}
	for _, m := range []*decode.Message{&e.Request, &e.Response} {
		if len(m.Body) > l.Body || m.Bytes < 0 || m.BodyBytes < 0 {
			panic(fmt.Sprintf("a message with %d bytes of body (limit %d), %d counted, of %d bytes", len(m.Body), l.Body, m.BodyBytes, m.Bytes))
		}
	}
}

// pieces returns the events of an input. After the end of a side it sends no
// more; in the end both sides have ended.
func pieces(input []byte) []event {
	var events []event
	var over [2]bool
	at := time.Unix(1_000_000_000, 0)
	length := func() int {
		var b [2]byte
		n := copy(b[:], input)
		input = input[n:]
		return int(binary.BigEndian.Uint16(b[:]))
	}
	for len(input) > 0 {
		e := event{side: decode.Side(input[0] & 1), at: at}
		kind := input[0] >> 1 & 15
		input = input[1:]
		at = at.Add(time.Millisecond)
		switch kind {
		case pieceGap:
			e.kind, e.n = gap, int64(length())
		case pieceUnknown:
			e.kind, e.n = gap, -1
		case pieceClosed:
			e.kind, e.how = ended, decode.Closed
		case pieceReset:
			e.kind, e.how = ended, decode.Reset
		default:
			n := min(length(), len(input))
			e.b, input = input[:n], input[n:]
		}
		if over[e.side] || e.kind == data && len(e.b) == 0 || e.kind == gap && e.n == 0 {
			continue
		}
		over[e.side] = e.kind == ended
		events = append(events, e)
	}
	for s, is := range over {
		if !is {
			events = append(events, event{kind: ended, side: decode.Side(s), at: at, how: decode.Stopped})
		}
	}
	return events
}
