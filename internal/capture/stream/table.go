package stream

import (
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// Table has the connections of a capture. It is for one goroutine at a time.
type Table struct {
	o      Options
	open   func(Opened) Conn
	conns  index
	counts Counts
	cost   int // of what is held, in HeldBytes
	now    time.Time

	// Each connection is in one of these, the most recently used first.
	// busy has those of TCP that were used a moment ago, tcp the others.
	busy, tcp, udp, closed list
	// holes has those that wait for missing bytes.
	holes list
}

// New returns an empty table. open is called for each new connection; it may
// return nil for one whose content is not wanted.
func New(o Options, open func(Opened) Conn) *Table {
	t := &Table{o: o.withDefaults(), open: open, conns: newIndex()}
	for _, l := range []*list{&t.busy, &t.tcp, &t.udp, &t.closed, &t.holes} {
		l.init()
	}
	return t
}

// Packet takes the next packet of the capture.
func (t *Table) Packet(p *packet.Packet) {
	t.counts.Packets++
	t.counts.Bytes += uint64(p.PayloadLen)
	t.now = p.Time
	t.forget(4)
	pair := pairOf(p)
	c := t.conns.find(&pair)
	if p.Protocol == packet.UDP {
		takeDatagram(t, c, pair, p)
		return
	}
	t.segment(c, pair, p)
}

// takeDatagram takes a UDP packet.
func takeDatagram(t *Table, c *conn, pair pair, p *packet.Packet) {
	if c == nil {
		o := guess(p)
		o.Midstream = false
		c = t.add(pair, o)
	}
	c.last = p.Time
	t.udp.use(c, t.now)
	if c.watch != nil {
		c.watch.Packet(c.side(p), p)
	}
	t.deliver(c, c.side(p), segment{n: p.PayloadLen, b: p.Payload, at: p.Time})
}

// Unreachable takes an error of ICMP that says that a packet was not taken
// ([packet.Unreachable]): p is that packet. A TCP connection that was not answered, and a
// conversation of UDP whose client sent the packet, are refused and end.
func (t *Table) Unreachable(p *packet.Packet) {
	t.now = p.Time
	pair := pairOf(p)
	c := t.conns.find(&pair)
	switch {
	case c == nil, c.closed, c.side(p) != decode.Client,
		p.Protocol == packet.TCP && (!c.opened.ClientKnown || c.halves[decode.Server].started && c.halves[decode.Server].isnKnown):
		t.counts.Ignored++
		return
	}
	c.resetBy, c.wasReset = decode.Server, true
	t.counts.Refused++
	if c.watch != nil {
		c.watch.Packet(decode.Server, p)
	}
	if r, ok := c.app.(Refuser); ok {
		r.Refused(p.Time)
	}
	t.finish(c, decode.Client, p.Time, decode.Reset)
	t.finish(c, decode.Server, p.Time, decode.Reset)
	if p.Protocol == packet.UDP {
		t.remove(c) // what is sent next is another try
	}
}

// guess returns a connection whose begin was not seen, with the side that has
// the higher port as its client.
func guess(p *packet.Packet) Opened {
	key := Key{Src: p.Src, Dst: p.Dst, Protocol: p.Protocol}
	if p.Src.Port() < p.Dst.Port() {
		key.Src, key.Dst = key.Dst, key.Src
	}
	return Opened{Key: key, Midstream: true, At: p.Time}
}

// add makes a connection.
func (t *Table) add(pair pair, o Opened) *conn {
	for t.conns.len() >= t.o.MaxConns {
		t.evict()
	}
	c := &conn{pair: pair, opened: o, last: o.At, self: o.Key.Src == o.Key.Dst}
	c.recent.c, c.holes.c = c, c
	t.conns.add(c)
	t.counts.Opened++
	t.counts.Open++
	if c.app = t.open(o); c.app == nil {
		c.app = discard{}
	}
	c.watch, _ = c.app.(Watcher)
	if o.Key.Protocol == packet.UDP {
		t.udp.front(&c.recent)
	} else {
		t.busy.front(&c.recent)
	}
	return c
}

// evict forgets a connection: a closed one, or else the one that was silent for
// longest.
func (t *Table) evict() {
	c := t.closed.oldest()
	if c == nil {
		if c = t.tcp.oldest(); c == nil {
			c = t.busy.oldest()
		}
		if u := t.udp.oldest(); c == nil || u != nil && u.last.Before(c.last) {
			c = u
		}
		t.counts.Evicted++
		t.stop(c, t.now)
	}
	t.remove(c)
}

// stop ends what is open of a connection because it is no longer looked at. The
// caller counts why.
func (t *Table) stop(c *conn, at time.Time) {
	c.stopped = true
	for s := range c.halves {
		t.finish(c, decode.Side(s), at, decode.Stopped)
	}
}

// remove forgets a connection that has ended.
func (t *Table) remove(c *conn) {
	c.recent.remove()
	c.holes.remove()
	t.conns.remove(c)
}

// forget removes closed connections whose time is over, at most n.
func (t *Table) forget(n int) {
	for ; n > 0; n-- {
		c := t.closed.oldest()
		if c == nil || t.now.Sub(c.last) < t.o.Linger {
			return
		}
		t.remove(c)
	}
}

// Expire ends connections that have been silent for too long, and gives up
// missing bytes that were waited for long enough. The owner of a live capture calls
// it ten times a second: it looks only at connections for which there may be
// something to do.
func (t *Table) Expire(now time.Time) {
	t.now = now
	t.holes.each(func(c *conn) { t.settleBoth(c, now) })
	expire := func(l *list, idle time.Duration) {
		for c := l.oldest(); c != nil && now.Sub(c.last) >= idle; c = l.oldest() {
			t.counts.Expired++
			t.stop(c, now)
			t.remove(c)
		}
	}
	expire(&t.tcp, t.o.Idle)
	expire(&t.busy, t.o.Idle)
	expire(&t.udp, t.o.IdleUDP)
	for c := t.busy.oldest(); c != nil && now.Sub(c.last) >= idleAfter; c = t.busy.oldest() {
		t.tcp.front(&c.recent)
		if i, ok := c.app.(Idler); ok {
			i.Idle()
		}
	}
	t.forget(t.conns.len())
}

// idleAfter is how long nothing has come of a connection of which [Idler] is told.
const idleAfter = time.Second

// Flush ends all connections, because the recording is over.
func (t *Table) Flush() {
	for _, l := range []*list{&t.tcp, &t.busy, &t.udp} {
		l.each(func(c *conn) {
			t.counts.Stopped++
			t.stop(c, t.now)
		})
	}
	t.closed.each(t.remove)
}

// Counts returns what the table has seen and done so far.
func (t *Table) Counts() Counts { return t.counts }
