package unixcalls

import (
	"math"
	"slices"
	"time"

	"lodge/internal/decode"
)

// flow is one direction of a connection.
type flow struct {
	// expected is the position in the stream behind all that was handed over.
	expected uint64
	holes    []hole // before it, the first one first
	missing  int64  // bytes that are missing and not told yet
	ended    bool
}

// hole is a part of a stream that may still come: calls of several threads are handed over
// in the order in which they were entered, and have their positions in the order in which
// they were over.
type hole struct {
	from, to uint64
	// until is when the call behind it was over: calls that were entered later, in
	// nanoseconds since boot, are behind it too.
	until uint64
}

// deliver hands over what is complete, up to the first call that is not over.
func (a *Assembler) deliver(conn *Conn) {
	n := 0
	for n < len(conn.calls) && conn.calls[n].whole {
		a.give(conn.calls[n], conn.calls[n+1:])
		n++
	}
	conn.calls = slices.Delete(conn.calls, 0, n)
}

// give hands over a call. behind are those that were entered after it.
func (a *Assembler) give(c *call, behind []*call) {
	conn, side := c.conn, c.side
	a.held -= len(c.data)
	switch {
	case c.shutdown:
		a.settle(conn, side, behind)
		a.endSide(conn, side, c.at, decode.Closed)
	case c.known && !conn.flows[side].ended:
		conn.flows[side].place(c)
		a.settle(conn, side, behind)
		a.rest(c, c.data[:min(c.copied, uint64(len(c.data)))])
	default: // a hole may have waited for it
		if a.settle(conn, side, behind); conn.flows[side].missing > 0 && !conn.flows[side].ended {
			a.piece(c, nil)
		}
	}
}

// rest hands over what a call has sent and was not handed over yet, with what is missing.
func (a *Assembler) rest(c *call, b []byte) {
	if len(b) > 0 || c.sent == 0 && c.conn.Type != Stream {
		a.piece(c, b)
	}
	f := &c.conn.flows[c.side]
	if f.missing = add(f.missing, c.sent-c.copied); f.missing > 0 {
		a.piece(c, nil) // what waits for these bytes need not wait any more
	}
}

// overtake hands over the bytes of the first call before it is over, as far as they are
// known: what is behind it was sent because of them.
func (a *Assembler) overtake(conn *Conn) {
	first := conn.calls[0]
	if first.whole {
		a.deliver(conn)
		return
	}
	conn.calls = slices.Delete(conn.calls, 0, 1)
	first.early = true
	a.held -= len(first.data)
	if len(first.data) > 0 && !conn.flows[first.side].ended {
		first.given = uint64(len(first.data))
		a.piece(first, first.data)
	}
	first.data = nil
	a.deliver(conn)
}

// late hands over the rest of a call that was handed over before it was over.
func (a *Assembler) late(c *call) {
	a.held -= len(c.data)
	if c.copied < c.given {
		a.counts.Unsure += c.given - c.copied
	}
	f := &c.conn.flows[c.side]
	if f.ended || !c.known {
		return
	}
	f.place(c)
	a.settle(c.conn, c.side, c.conn.calls)
	if c.sent == 0 {
		return
	}
	a.rest(c, c.data[:min(c.copied-min(c.given, c.copied), uint64(len(c.data)))])
}

func (a *Assembler) piece(c *call, b []byte) {
	f := &c.conn.flows[c.side]
	p := Piece{At: c.at, From: c.from, Missing: f.missing, Descriptors: c.descriptors, Data: b}
	f.missing, c.descriptors = 0, 0
	a.sink.Data(c.conn, c.side, p)
}

// endSide reports that a side sends no more.
func (a *Assembler) endSide(c *Conn, s decode.Side, at time.Time, how decode.End) {
	f := &c.flows[s]
	if f.ended {
		return
	}
	f.ended = true
	a.sink.End(c, s, at, f.missing, how)
	f.missing = 0
}

// place notes where a call's bytes are in the stream. Datagrams of a socket may go elsewhere:
// one that is not told is not missing here.
func (f *flow) place(c *call) {
	if c.conn.Type == Datagram {
		return
	}
	from, to := c.position, c.position+c.sent
	if to < from {
		to = math.MaxUint64
	}
	if from > f.expected {
		f.holes = append(f.holes, hole{f.expected, from, c.over})
	}
	f.expected = max(f.expected, to)
	for i := 0; i < len(f.holes); i++ {
		h := &f.holes[i]
		switch {
		case to <= h.from || h.to <= from:
		case from <= h.from:
			h.from = min(to, h.to)
		case h.to <= to:
			h.to = from
		default:
			f.holes = slices.Insert(f.holes, i+1, hole{to, h.to, h.until})
			f.holes[i].to = from
			i++
		}
	}
	f.holes = slices.DeleteFunc(f.holes, func(h hole) bool { return h.from == h.to })
}

// settle counts the holes as missing that none of the calls behind can fill.
func (a *Assembler) settle(c *Conn, side decode.Side, behind []*call) {
	f := &c.flows[side]
	if len(f.holes) == 0 {
		return
	}
	f.holes = slices.DeleteFunc(f.holes, func(h hole) bool {
		if slices.ContainsFunc(behind, func(x *call) bool { return x.side == side && x.fills(h) }) {
			return false
		}
		f.missing = add(f.missing, h.to-h.from)
		return true
	})
}

// fills reports whether a call may have sent a part of a hole.
func (c *call) fills(h hole) bool {
	switch {
	case c.shutdown:
		return false
	case !c.whole:
		return c.entered <= h.until
	}
	return c.known && c.position < h.to && h.from-min(h.from, c.position) < c.sent
}

// add returns the sum of sizes, the largest there is where it is more.
func add(n int64, more uint64) int64 {
	return n + int64(min(more, uint64(math.MaxInt64-n)))
}
