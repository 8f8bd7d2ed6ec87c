package stream

import (
	"time"

	"lodge/internal/decode"
)

// urgency is how much reason there is to give up missing bytes.
type urgency uint8

const (
	usual     urgency = iota
	finishing         // the other side acknowledges them and sends no more
	spoken            // the other side acknowledges them in a packet with data: it may answer them
	final             // no more will come
)

// settleBoth is settle for both sides, after a packet or some time.
func (t *Table) settleBoth(c *conn, at time.Time) {
	for s := range c.halves {
		if c.halves[s].waiting {
			c.halves[s].ackPackets++
			t.settle(c, decode.Side(s), at, usual)
		}
	}
}

// settle delivers held bytes of a side that are next, gives up missing ones for
// which it is time, and ends the side at its FIN.
func (t *Table) settle(c *conn, s decode.Side, at time.Time, u urgency) {
	h := &c.halves[s]
	if h.end != 0 || !h.started {
		return
	}
	for {
		t.drain(c, s)
		if h.fin && h.next == h.finSeq {
			t.end(c, s, at, decode.Closed)
			break
		}
		n := t.due(c, h, at, u)
		if n == 0 {
			break
		}
		if u == final && n == 1 && h.behind() == 1 && len(h.held) == 0 && !h.fin {
			t.counts.AssumedFINs++
			t.end(c, s, at, decode.Closed)
			break
		}
		t.gap(c, s, at, n)
	}
	if c.closed {
		return
	}
	if c.waiting() {
		if c.holes.list == nil {
			t.holes.front(&c.holes)
		}
	} else {
		c.holes.remove()
	}
}

// due returns how many missing bytes are to be given up now. It keeps the time
// from which on they are waited for.
func (t *Table) due(c *conn, h *half, at time.Time, u urgency) int {
	behind := h.behind()
	seen, ok := h.seen()
	if behind == 0 && !ok {
		h.waiting = false
		return 0
	}
	if !h.waiting {
		h.waiting, h.missed, h.since, h.packets = true, false, at, 0
		h.ackSince = time.Time{}
	}
	if behind > 0 && h.ackSince.IsZero() {
		h.ackSince, h.ackPackets = at, 0
	}
	if u == final {
		if ok {
			return seen
		}
		return behind
	}
	if behind > 0 {
		n := behind
		if ok {
			n = min(n, seen)
		}
		fin := behind == 1 && !ok // it may be a FIN that was not seen
		if u == spoken || !fin && (u == finishing || h.ackPackets >= ackPackets || at.Sub(h.ackSince) >= ackAfter) {
			return n
		}
	}
	after := t.o.GapAfter
	if h.missed {
		after *= missedFactor
	}
	full := len(h.held) > maxSegments || len(h.held) > 0 && (c.cost > t.o.ConnBytes || t.cost > t.o.HeldBytes)
	if ok && (full || h.packets >= t.o.GapPackets || at.Sub(h.since) >= after) {
		return seen
	}
	return 0
}

// gap gives up n bytes.
func (t *Table) gap(c *conn, s decode.Side, at time.Time, n int) {
	h := &c.halves[s]
	t.counts.Gaps++
	if n < 0 {
		t.counts.GapsUnknown++
	} else {
		t.counts.Missing += uint64(n)
		h.skip(n)
		if len(h.held) > 0 {
			at = h.held[0].at
		}
	}
	h.soft, h.waiting = false, false
	c.app.Gap(s, h.clock(at), int64(n))
}

// drain delivers the held bytes that are next.
func (t *Table) drain(c *conn, s decode.Side) {
	h := &c.halves[s]
	for len(h.held) > 0 && h.end == 0 {
		g := h.held[0]
		if diff(g.seq, h.next) > 0 || h.fin && h.next == h.finSeq {
			return
		}
		h.held = h.held[1:]
		t.release(c, g)
		if over := diff(g.end(), h.finSeq); h.fin && over > 0 {
			t.counts.AfterEnd += uint64(over)
			g = g.front(g.n - over)
		}
		t.deliver(c, s, g)
	}
}

// release takes a segment that is no longer held out of the accounts.
func (t *Table) release(c *conn, g segment) {
	cost := len(g.b) + segmentCost
	c.cost -= cost
	t.cost -= cost
	t.counts.Held -= uint64(g.n)
}

// deliver hands over the bytes of a segment, which are next.
func (t *Table) deliver(c *conn, s decode.Side, g segment) {
	h := &c.halves[s]
	g.at = h.clock(g.at)
	h.waiting = false
	h.next += uint32(g.n)
	if len(g.b) > 0 {
		t.counts.Delivered += uint64(len(g.b))
		c.app.Data(s, g.at, g.b)
	}
	if cut := g.n - len(g.b); cut > 0 {
		t.counts.Gaps++
		t.counts.Missing += uint64(cut)
		t.counts.Cut += uint64(cut)
		c.app.Gap(s, g.at, int64(cut))
	}
}

// old counts n bytes before next.
func (t *Table) old(h *half, seq uint32, n int) {
	late := h.late(seq, n)
	t.counts.Late += uint64(late)
	t.counts.Retransmitted += uint64(n - late)
}
