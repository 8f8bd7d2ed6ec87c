package unixcalls

import (
	"math"
	"slices"
	"time"

	"lodge/internal/decode"
)

// delivery hands calls over, in their order.
type delivery struct {
	sink   Sink
	held   int // bytes of calls
	counts Counts
}

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

// drop lets go of the bytes of a call.
func (d *delivery) drop(c *call) {
	d.held -= len(c.data)
	c.data = nil
}

// deliver hands over what is complete, up to the first call that is not over.
func (d *delivery) deliver(conn *Conn) {
	n := 0
	for n < len(conn.calls) && conn.calls[n].whole {
		d.give(conn.calls[n], conn.calls[n+1:])
		n++
	}
	conn.calls = slices.Delete(conn.calls, 0, n)
}

// give hands over a call. behind are those that were entered after it.
func (d *delivery) give(c *call, behind []*call) {
	conn, side, data := c.conn, c.side, c.data
	d.drop(c)
	switch {
	case c.shutdown:
		d.settle(conn, side, behind)
		d.endSide(conn, side, c.at, decode.Closed)
	case c.known && !conn.flows[side].ended:
		conn.flows[side].place(c)
		d.settle(conn, side, behind)
		d.rest(c, data[:min(c.copied, uint64(len(data)))])
	default: // a hole may have waited for it
		if d.settle(conn, side, behind); conn.flows[side].missing > 0 && !conn.flows[side].ended {
			d.piece(c, nil)
		}
	}
}

// rest hands over what a call has sent and was not handed over yet, with what is missing.
func (d *delivery) rest(c *call, b []byte) {
	if len(b) > 0 || c.sent == 0 && c.conn.Type != Stream {
		d.piece(c, b)
	}
	f := &c.conn.flows[c.side]
	if f.missing = add(f.missing, c.sent-c.copied); f.missing > 0 {
		d.piece(c, nil) // what waits for these bytes need not wait any more
	}
}

// overtake hands over the bytes of the first call before it is over, as far as they are
// known: what is behind it was sent because of them.
func (d *delivery) overtake(conn *Conn) {
	first := conn.calls[0]
	if first.whole {
		d.deliver(conn)
		return
	}
	conn.calls = slices.Delete(conn.calls, 0, 1)
	first.early = true
	data := first.data
	d.drop(first)
	if len(data) > 0 && !conn.flows[first.side].ended {
		first.given = uint64(len(data))
		d.piece(first, data)
	}
	d.deliver(conn)
}

// late hands over the rest of a call that was handed over before it was over.
func (d *delivery) late(c *call) {
	data := c.data
	d.drop(c)
	if c.copied < c.given {
		d.counts.Unsure += c.given - c.copied
	}
	f := &c.conn.flows[c.side]
	if f.ended || !c.known {
		return
	}
	f.place(c)
	d.settle(c.conn, c.side, c.conn.calls)
	if c.sent == 0 {
		return
	}
	d.rest(c, data[:min(c.copied-min(c.given, c.copied), uint64(len(data)))])
}

func (d *delivery) piece(c *call, b []byte) {
	f := &c.conn.flows[c.side]
	p := Piece{At: c.at, From: c.from, Missing: f.missing, Descriptors: c.descriptors, Data: b}
	f.missing, c.descriptors = 0, 0
	d.sink.Data(c.conn, c.side, p)
}

// endSide reports that a side sends no more.
func (d *delivery) endSide(c *Conn, s decode.Side, at time.Time, how decode.End) {
	f := &c.flows[s]
	if f.ended {
		return
	}
	f.ended = true
	d.sink.End(c, s, at, f.missing, how)
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
func (d *delivery) settle(c *Conn, side decode.Side, behind []*call) {
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
