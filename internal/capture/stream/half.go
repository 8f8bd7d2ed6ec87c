package stream

import (
	"bytes"
	"slices"
	"sort"
	"time"

	"lodge/internal/decode"
)

// half is one direction of a TCP connection.
type half struct {
	started bool // next is known
	// soft: next is known only from what the other side acknowledged.
	soft     bool
	isnKnown bool
	fin      bool // finSeq is known
	hasAck   bool // acked is known
	waiting  bool // bytes are missing before others that were seen or acknowledged
	missed   bool // the other side says so too, in a packet for that purpose
	end      decode.End

	isn    uint32
	base   uint32 // the first sequence number
	next   uint32 // of the next byte to deliver
	finSeq uint32
	acked  uint32 // what the other side has up to here
	last   time.Time

	// held segments are disjoint and in order, all behind next.
	held []segment

	since      time.Time // from when on the bytes at next are waited for
	packets    int       // of this side, since then
	ackSince   time.Time // from when on acknowledged bytes at next are waited for
	ackPackets int       // of both sides, since then

	gaps      []span // the last ones
	strays    int    // segments in a row from far away
	strayNext uint32
}

// span is a range of sequence numbers, without to.
type span struct{ from, to uint32 }

// segment is n bytes of which b was captured.
type segment struct {
	seq uint32
	n   int
	b   []byte
	at  time.Time
}

func (g *segment) end() uint32 { return g.seq + uint32(g.n) }

// drop takes n bytes off the front.
func (g *segment) drop(n int) {
	g.seq += uint32(n)
	g.n -= n
	g.b = g.b[min(n, len(g.b)):]
}

// front returns the first n bytes.
func (g *segment) front(n int) segment {
	return segment{seq: g.seq, n: n, b: g.b[:min(n, len(g.b))], at: g.at}
}

// diff returns the distance from sequence number b to a.
func diff(a, b uint32) int { return int(int32(a - b)) }

// start sets where the stream begins.
func (h *half) start(seq uint32) {
	h.started, h.base, h.next, h.gaps = true, seq, seq, nil
}

// clock returns when something happened that is reported now: not before what was
// reported last. Bytes that were held reach the receiver with those before them.
func (h *half) clock(at time.Time) time.Time {
	if at.After(h.last) {
		h.last = at
	}
	return h.last
}

// behind returns how many acknowledged bytes have not been seen.
func (h *half) behind() int {
	if !h.hasAck {
		return 0
	}
	to := h.acked
	if h.fin && diff(to, h.finSeq) > 0 {
		to = h.finSeq
	}
	return max(0, diff(to, h.next))
}

// seen returns the distance to the first thing that was seen beyond next, a held
// segment or a FIN. ok is false where there is none.
func (h *half) seen() (n int, ok bool) {
	switch {
	case len(h.held) > 0:
		n = diff(h.held[0].seq, h.next)
		if h.fin {
			n = min(n, diff(h.finSeq, h.next))
		}
		return n, true
	case h.fin:
		return diff(h.finSeq, h.next), true
	}
	return 0, false
}

// hold keeps a copy of the parts of a segment that are not held yet. It returns
// the number of bytes that were, and what the copy takes of the limits.
func (h *half) hold(g segment) (again, cost int) {
	for g.n > 0 {
		i := sort.Search(len(h.held), func(i int) bool { return diff(h.held[i].end(), g.seq) > 0 })
		n := g.n // up to the next one that is held
		if i < len(h.held) {
			n = min(n, max(0, diff(h.held[i].seq, g.seq)))
		}
		if n > 0 {
			part := g.front(n)
			part.b = bytes.Clone(part.b)
			h.held = slices.Insert(h.held, i, part)
			cost += len(part.b) + segmentCost
			g.drop(n)
			continue
		}
		n = min(g.n, diff(h.held[i].end(), g.seq))
		again += n
		g.drop(n)
	}
	return again, cost
}

// late returns how many of n bytes at seq, which is before next, had been given
// up or come from before the first one.
func (h *half) late(seq uint32, n int) int {
	from := diff(seq, h.next)
	to := from + n
	late := 0
	if base := diff(h.base, h.next); base <= 0 { // else the sequence numbers are past half of a round
		late = max(0, min(to, base)-from)
	}
	for _, g := range h.gaps {
		late += max(0, min(to, diff(g.to, h.next))-max(from, diff(g.from, h.next)))
	}
	return min(n, late)
}

// skip moves next by n bytes that are given up.
func (h *half) skip(n int) {
	to := h.next + uint32(n)
	if k := len(h.gaps); k > 0 && h.gaps[k-1].to == h.next {
		h.gaps[k-1].to = to
	} else {
		h.gaps = append(h.gaps[max(0, k-maxGaps+1):], span{h.next, to})
	}
	h.next = to
}
