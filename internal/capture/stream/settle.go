package stream

import (
	"time"

	"lodge/internal/decode"
)

// settleBoth is settle for both sides, after a packet or some time.
func (t *Table) settleBoth(c *conn, at time.Time) {
	for s := range c.halves {
		if c.halves[s].waiting {
			c.halves[s].ackPackets++
			t.settle(c, decode.Side(s), at, false)
		}
	}
}

// settle delivers held bytes of a side that are next, gives up missing ones for
// which it is time, and ends the side at its FIN. final reports that no more will
// come. What the other side holds may follow then, in turn.
func (t *Table) settle(c *conn, s decode.Side, at time.Time, final bool) {
	t.settleSide(c, s, at, final)
	for s = s.Other(); c.halves[s].stuck() && !c.blocked(s); s = s.Other() {
		t.settleSide(c, s, at, false)
	}
	if c.closed {
		return
	}
	if !c.waiting() {
		c.holes.remove()
	} else if c.holes.list == nil {
		t.holes.front(&c.holes)
	}
}

func (t *Table) settleSide(c *conn, s decode.Side, at time.Time, final bool) {
	h := &c.halves[s]
	for h.started && h.end == 0 {
		for h.stuck() && (final || !c.blocked(s)) {
			t.take(c, s)
		}
		if h.fin && h.next == h.finSeq {
			t.end(c, s, at, decode.Closed)
			return
		}
		n, now := t.due(c, s, at, final)
		switch {
		case !now:
			return
		case n == 0:
			t.take(c, s)
		case final && n == 1 && h.behind() == 1 && len(h.held) == 0 && !h.fin:
			t.counts.AssumedFINs++
			t.end(c, s, at, decode.Closed)
		default:
			t.gap(c, s, at, n)
		}
	}
}

// due reports whether n missing bytes are to be given up now or, where n is 0, a
// segment is to be delivered that waits for the other side's. It keeps the time
// from which on they are waited for.
func (t *Table) due(c *conn, s decode.Side, at time.Time, final bool) (n int, now bool) {
	h := &c.halves[s]
	behind := h.behind()
	seen, ok := h.seen()
	if behind == 0 && !ok {
		h.waiting = false
		return 0, false
	}
	if !h.waiting {
		h.waiting, h.missed, h.since, h.packets = true, false, at, 0
		h.awaited = false
	}
	if behind > 0 && !h.awaited {
		h.awaited, h.ackSince, h.ackPackets = true, at, 0
	}
	n = behind
	if ok && (behind == 0 || seen < behind || final) {
		n = seen
	}
	if final {
		return n, true
	}
	if n > 0 && behind > 0 && (h.ackPackets >= ackPackets || at.Sub(h.ackSince) >= ackAfter) {
		// One byte more than all that was seen is a FIN that was not, unless the other
		// side has more to say after it.
		if behind > 1 || ok || c.halves[s.Other()].stuck() {
			return n, true
		}
	}
	after := t.o.GapAfter
	if h.missed {
		after *= missedFactor
	}
	full := len(h.held) > maxSegments || len(h.held) > 0 && (c.cost > t.o.ConnBytes || t.cost > t.o.HeldBytes)
	return seen, ok && (full || h.packets >= t.o.GapPackets || at.Sub(h.since) >= after)
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
		if len(h.held) > 0 && diff(h.held[0].seq, h.next) == 0 {
			at = h.held[0].at
		}
	}
	h.soft, h.waiting = false, false
	c.app.Gap(s, h.clock(at), int64(n))
}

// take delivers the first of the held segments of a side, which is next.
func (t *Table) take(c *conn, s decode.Side) {
	h := &c.halves[s]
	g := h.held[0]
	h.held = h.held[1:]
	release(t, c, g)
	if over := diff(g.end(), h.finSeq); h.fin && over > 0 {
		t.counts.AfterEnd += uint64(over)
		g = g.front(g.n - over)
	}
	t.deliver(c, s, g)
}

// release takes a segment that is no longer held out of the accounts.
func release(t *Table, c *conn, g segment) {
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
func (c *Counts) old(h *half, seq uint32, n int) {
	late := h.late(seq, n)
	c.Late += uint64(late)
	c.Retransmitted += uint64(n - late)
}
