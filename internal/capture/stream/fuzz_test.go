package stream

import (
	"encoding/binary"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// guard is a Conn that panics when it is called as it must not be.
type guard struct {
	over [2]bool
	last [2]time.Time
}

func (g *guard) check(s decode.Side, at time.Time) {
	if g.over[s] || at.Before(g.last[s]) {
		panic("a call after the end, or time goes back")
	}
	g.last[s] = at
}

func (g *guard) Data(s decode.Side, at time.Time, b []byte) {
	g.check(s, at)
	if len(b) == 0 {
		panic("no bytes")
	}
}

func (g *guard) Gap(s decode.Side, at time.Time, n int64) {
	g.check(s, at)
	if n == 0 || n < -1 || n > 1<<31 {
		panic("a gap of an impossible size")
	}
}

func (g *guard) End(s decode.Side, at time.Time, how decode.End) {
	g.check(s, at)
	g.over[s] = true
	if how == 0 {
		panic("no end")
	}
}

// FuzzPacket takes 10 bytes for a packet: ports, flags, sequence and
// acknowledgement numbers near each other, length, cut, and time.
func FuzzPacket(f *testing.F) {
	packets := func(rows ...[10]byte) (b []byte) {
		for _, r := range rows {
			b = append(b, r[:]...)
		}
		return b
	}
	const syn, ack, fin, rst = byte(packet.SYN), byte(packet.ACK), byte(packet.FIN), byte(packet.RST)
	f.Add(packets([10]byte{0x01, syn}, [10]byte{0x10, syn | ack, 0, 0, 0, 1}, [10]byte{0x01, ack, 0, 1, 0, 1, 5}, [10]byte{0x01, ack, 0, 9, 0, 1, 5, 2}, [10]byte{0x10, ack, 0, 1, 0, 20, 3, 0, 9}, [10]byte{0x01, fin | ack, 0, 16, 0, 4}))
	f.Add(packets([10]byte{0x00, syn}, [10]byte{0x00, ack, 0, 1, 0, 1, 9}, [10]byte{0x00, fin, 0, 12}, [10]byte{0x01, rst}, [10]byte{0x82, 0, 0, 0, 0, 0, 7, 3, 200}))
	f.Add(packets([10]byte{0x01, ack, 0, 5, 0, 9, 5}, [10]byte{0x01, ack, 0x80, 5, 0, 9, 5}, [10]byte{0x01, ack, 0x80, 10, 0, 9, 5}, [10]byte{0x01, ack, 0x80, 15, 0, 9, 5}, [10]byte{0x01, syn, 3, 3}))
	f.Fuzz(func(t *testing.T, in []byte) {
		o := Options{MaxConns: 4, ConnBytes: 2000, HeldBytes: 3000, Idle: time.Minute, IdleUDP: time.Second, Linger: 2 * time.Second, GapPackets: 6}
		made := []*guard{}
		table := New(o, func(Opened) Conn {
			g := &guard{}
			made = append(made, g)
			return g
		})
		at := time.Unix(1000, 0)
		payload := make([]byte, 4096)
		for range 1000 {
			if len(in) < 10 {
				break
			}
			n := int(in[6]) * 4
			p := packet.Packet{
				Src: port(80 + int(in[0]&7)), Dst: port(80 + int(in[0]>>4&7)), Protocol: packet.TCP,
				Flags: packet.Flags(in[1]), Seq: distance(in[2:]), Ack: distance(in[4:]),
				Payload: payload[:n], PayloadLen: n + int(in[7]),
			}
			if in[0]&0x80 != 0 {
				p.Protocol = packet.UDP
			}
			at = at.Add(time.Duration(in[8]) * 10 * time.Millisecond)
			p.Time = at
			if in[9]&1 != 0 {
				p.Time = at.Add(-time.Second) // clocks are set back
			}
			table.Packet(&p)
			if in[9]&6 == 6 {
				table.Expire(at)
			}
			checkCounts(t, table)
			checkTable(t, table)
			in = in[10:]
		}
		table.Flush()
		checkCounts(t, table)
		if c := table.Counts(); c.Open != 0 || c.Held != 0 || table.cost != 0 || table.conns.len() != 0 {
			t.Errorf("after Flush: %+v, cost %d, %d connections", c, table.cost, table.conns.len())
		}
		for _, g := range made {
			if g.over != [2]bool{true, true} {
				t.Error("a side has no end")
			}
		}
	})
}

// distance returns a sequence number: most are close to each other, some far.
func distance(b []byte) uint32 {
	n := uint32(binary.BigEndian.Uint16(b))
	if n&0xc000 == 0xc000 {
		return n << 17
	}
	return n&0x3fff - 100
}

// checkTable holds that what is held is within the limits and in order.
func checkTable(t *testing.T, table *Table) {
	t.Helper()
	if table.conns.len() > table.o.MaxConns || table.cost > table.o.HeldBytes {
		t.Fatalf("%d connections, %d bytes are held", table.conns.len(), table.cost)
	}
	total, open := 0, uint64(0)
	for _, c := range table.conns.all {
		cost := 0
		for s := range c.halves {
			h := &c.halves[s]
			for i, g := range h.held {
				cost += len(g.b) + segmentCost
				if diff(g.seq, h.next) < 0 || g.n <= 0 || i > 0 && diff(g.seq, h.held[i-1].end()) < 0 {
					t.Fatalf("segment %d of %d bytes at %d, next is %d", i, g.n, g.seq, h.next)
				}
			}
			if len(h.held) > maxSegments || len(h.held) > 0 && !h.waiting || h.end != 0 && len(h.held) > 0 {
				t.Fatalf("%d segments, waiting %v, end %d", len(h.held), h.waiting, h.end)
			}
		}
		if cost != c.cost || cost > table.o.ConnBytes {
			t.Fatalf("a cost of %d, it is %d", c.cost, cost)
		}
		if !c.closed {
			open++
		}
		if c.waiting() != (c.holes.list != nil) {
			t.Fatalf("waiting %v, in the list %v", c.waiting(), c.holes.list != nil)
		}
		total += cost
	}
	if total != table.cost || open != table.counts.Open {
		t.Fatalf("a cost of %d, it is %d; %d open, counted %d", table.cost, total, open, table.counts.Open)
	}
}
