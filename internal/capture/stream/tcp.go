package stream

import (
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// segment takes a TCP packet.
func (t *Table) segment(c *conn, pair pair, p *packet.Packet) {
	syn := p.Flags&(packet.SYN|packet.RST) == packet.SYN
	switch {
	case c == nil && !syn && (p.PayloadLen == 0 || p.Flags&packet.RST != 0):
		t.counts.Ignored++
		t.counts.AfterEnd += uint64(p.PayloadLen)
		return
	case c == nil:
		c = t.add(pair, begin(p, syn))
	case syn && c.replacedBy(p):
		if !c.closed {
			t.counts.Replaced++
			t.stop(c, p.Time)
		}
		t.remove(c)
		c = t.add(pair, begin(p, syn))
	case c.closed && c.continuedBy(p):
		t.remove(c)
		o := c.opened
		o.Midstream, o.At = true, p.Time
		c = t.add(pair, o)
	}
	if !c.closed {
		c.last = p.Time
		t.busy.use(c, t.now)
	}
	s := c.side(p)
	if c.watch != nil && !c.closed {
		c.watch.Packet(s, p)
	}
	if p.Flags&packet.RST != 0 {
		t.counts.AfterEnd += uint64(p.PayloadLen)
		t.reset(c, s, p)
		return
	}
	h, seq := &c.halves[s], p.Seq
	if syn {
		if !c.takeSYN(s, p) {
			t.counts.Ignored++
			t.counts.AfterEnd += uint64(p.PayloadLen)
			return
		}
		seq++
	}
	if p.Flags&packet.ACK != 0 && !c.self && !c.closed {
		t.acknowledge(c, s.Other(), p)
	}
	if p.PayloadLen > 0 || p.Flags&packet.FIN != 0 {
		if h.waiting && p.PayloadLen > 0 {
			h.packets++
		}
		g := segment{seq: seq, n: p.PayloadLen, b: p.Payload, at: p.Time}
		if p.Flags&packet.ACK != 0 && !c.self {
			g.after, g.ack = c.halves[s.Other()].lacks(p.Ack), p.Ack
		}
		t.data(c, s, p.Flags&packet.FIN != 0, g)
	}
	if c.waiting() {
		t.settleBoth(c, p.Time)
	}
}

// begin returns what the first segment of a connection says of it.
func begin(p *packet.Packet, syn bool) Opened {
	if !syn {
		return guess(p)
	}
	o := Opened{Key: Key{Src: p.Src, Dst: p.Dst, Protocol: p.Protocol}, ClientKnown: true, At: p.Time}
	if p.Flags&packet.ACK != 0 {
		o.Key.Src, o.Key.Dst = o.Key.Dst, o.Key.Src
	}
	return o
}

// takeSYN takes the SYN of a side, which [conn.replacedBy] has found to be of
// this connection. It reports false for one that answers a SYN which was not sent.
func (c *conn) takeSYN(s decode.Side, p *packet.Packet) bool {
	h, other := &c.halves[s], &c.halves[s.Other()]
	if h.isnKnown {
		return true
	}
	if p.Flags&packet.ACK != 0 && !h.started && other.isnKnown {
		if n := diff(p.Ack, other.isn); n < 1 || n > diff(other.next, other.isn) {
			return false
		}
	}
	h.isnKnown, h.isn = true, p.Seq
	if !h.started {
		h.start(p.Seq + 1)
	}
	h.soft = false
	return true
}

// acknowledge takes what a packet says of the bytes of side s, the one that it
// goes to.
func (t *Table) acknowledge(c *conn, s decode.Side, p *packet.Packet) {
	h := &c.halves[s]
	if h.end != 0 {
		return
	}
	if !h.started {
		h.start(p.Ack)
		h.soft = true
	}
	n := diff(p.Ack, h.next)
	if n < -window || n > window {
		return
	}
	if !h.hasAck || diff(p.Ack, h.acked) > 0 {
		h.hasAck, h.acked = true, p.Ack
	}
	if h.waiting && n == 0 { // the receiver misses them as well
		h.since, h.packets = p.Time, 0
		h.missed = h.missed || p.PayloadLen == 0
	}
	if h.behind() > 0 {
		t.settle(c, s, p.Time, false)
	}
}

// data takes the payload and the FIN of a segment.
func (t *Table) data(c *conn, s decode.Side, fin bool, g segment) {
	h := &c.halves[s]
	if !h.started {
		h.start(g.seq)
	}
	n := diff(g.seq, h.next)
	if h.end != 0 {
		again := min(g.n, max(0, -n))
		t.counts.old(h, g.seq, again)
		t.counts.AfterEnd += uint64(g.n - again)
		return
	}
	if h.soft {
		// Acknowledged before: sent again. Ahead of that, in a connection whose begin
		// was not seen: what was on its way when the recording began.
		if n < 0 && h.next == h.base && n >= -window || n > 0 && c.opened.Midstream && h.behind() == 0 {
			h.start(g.seq)
			n = 0
		}
		h.soft = false
	}
	if n > window || n+g.n < -window {
		if !t.stray(c, s, &g) {
			return
		}
		n = 0
	}
	h.strays = 0
	if fin && !h.fin && n+g.n >= 0 {
		h.fin, h.finSeq = true, g.seq+uint32(g.n)
	}
	if h.fin {
		if over := min(g.n, n+g.n-diff(h.finSeq, h.next)); over > 0 {
			t.counts.AfterEnd += uint64(over)
			g = g.front(g.n - over)
		}
	}
	waited := h.waiting
	if n < 0 {
		again := min(-n, g.n)
		t.counts.old(h, g.seq, again)
		g.drop(again)
	}
	switch {
	case g.n == 0:
	case n <= 0 && !g.after && (len(h.held) == 0 || diff(g.end(), h.held[0].seq) <= 0):
		t.deliver(c, s, g)
	default:
		t.hold(c, h, n > 0, g)
	}
	if waited || h.fin || len(h.held) > 0 {
		t.settle(c, s, g.at, false)
	}
}

// hold keeps a segment.
func (t *Table) hold(c *conn, h *half, ahead bool, g segment) {
	if ahead {
		t.counts.OutOfOrder++
	}
	again, cost := h.hold(g)
	t.counts.Retransmitted += uint64(again)
	t.counts.Held += uint64(g.n - again)
	c.cost += cost
	t.cost += cost
}

// stray takes a segment from far away. Some of them in a row are where the
// stream is now: it reports true for the segment with which it continues there.
func (t *Table) stray(c *conn, s decode.Side, g *segment) bool {
	h := &c.halves[s]
	if g.n == 0 {
		return false
	}
	if h.strays == 0 || g.seq != h.strayNext {
		h.strays = 0
	}
	h.strays++
	h.strayNext = g.end()
	if h.strays < straySegments {
		t.counts.Stray += uint64(g.n)
		return false
	}
	t.settle(c, s, g.at, true)
	if h.end != 0 {
		t.counts.Stray += uint64(g.n)
		return false
	}
	t.gap(c, s, g.at, -1)
	h.start(g.seq)
	h.fin, h.hasAck, h.isnKnown = false, false, false
	return true
}

// reset takes a RST.
func (t *Table) reset(c *conn, s decode.Side, p *packet.Packet) {
	h, other := &c.halves[s], &c.halves[s.Other()]
	refused := other.isnKnown && !h.started && !c.self
	switch {
	case c.closed:
		return
	case refused && p.Flags&packet.ACK != 0:
		if n := diff(p.Ack, other.isn); n < 1 || n > diff(other.next, other.isn) {
			t.counts.Ignored++
			return
		}
	case h.isnKnown && !other.started && p.Seq != h.next:
		// It answers what an older connection with these addresses sent.
		t.counts.Ignored++
		return
	case h.started && h.end == 0:
		if n := diff(p.Seq, h.next); n < -window || n > window {
			t.counts.Ignored++
			return
		}
	}
	c.resetBy, c.wasReset = s, true
	if refused {
		t.counts.Refused++
		if r, ok := c.app.(Refuser); ok {
			r.Refused(p.Time)
		}
	}
	t.finish(c, s, p.Time, decode.Reset)
	t.finish(c, s.Other(), p.Time, decode.Reset)
}

// finish ends a side that is open: what is missing will not come.
func (t *Table) finish(c *conn, s decode.Side, at time.Time, how decode.End) {
	if c.halves[s].stuck() {
		t.settle(c, s.Other(), at, true)
	}
	t.settle(c, s, at, true)
	t.end(c, s, at, how)
}

// end ends a side, and with the second one the connection.
func (t *Table) end(c *conn, s decode.Side, at time.Time, how decode.End) {
	h := &c.halves[s]
	if h.end != 0 {
		return
	}
	h.end = how
	for _, g := range h.held { // beyond a FIN
		release(t, c, g)
		t.counts.AfterEnd += uint64(g.n)
	}
	h.held, h.waiting = nil, false
	c.app.End(s, h.clock(at), how)
	if c.self && s == decode.Client {
		t.end(c, decode.Server, at, how)
	}
	if c.closed || c.halves[0].end == 0 || c.halves[1].end == 0 {
		return
	}
	c.closed, c.app = true, nil
	t.counts.Open--
	switch {
	case c.stopped:
	case c.wasReset:
		t.counts.Reset++
	default:
		t.counts.Closed++
	}
	c.holes.remove()
	t.closed.front(&c.recent)
}
