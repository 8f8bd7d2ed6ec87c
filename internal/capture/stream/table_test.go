package stream

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

func port(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(n))
}

func datagram(from, to int, at time.Time, text string, cut int) *packet.Packet {
	return &packet.Packet{Time: at, Src: port(from), Dst: port(to), Protocol: packet.UDP, Payload: []byte(text), PayloadLen: len(text) + cut}
}

func TestUDP(t *testing.T) {
	s := newScript(t, Options{})
	var opened []Opened
	open := s.table.open
	s.table.open = func(o Opened) Conn {
		opened = append(opened, o)
		return open(o)
	}
	at := s.now
	s.addr = [2]netip.AddrPort{port(40000), port(53)}
	for i, p := range []*packet.Packet{
		datagram(40000, 53, at, "ask", 0),
		datagram(53, 40000, at, "answer", 0),
		datagram(53, 40000, at, "answer", 0), // a datagram is not one that is sent again
		datagram(40000, 53, at, "", 0),
		datagram(40000, 53, at, "cut", 5),
	} {
		p.Time = at.Add(time.Duration(i) * time.Millisecond)
		s.table.Packet(p)
		checkCounts(t, s.table)
	}
	s.table.Expire(at.Add(time.Minute))
	s.table.Expire(at.Add(2 * time.Minute))
	p := datagram(53, 40000, at.Add(3*time.Minute), "late", 0)
	s.table.Packet(p)
	s.play("flush")
	want := []string{"open by client?", "c ask", "s answer", "s answer", "c cut", "c gap 5", "c stopped", "s stopped",
		"open by client?", "s late", "c stopped", "s stopped"}
	if !slices.Equal(s.log, want) {
		t.Errorf("got  %q\nwant %q", s.log, want)
	}
	if c := nonzero(s.table.Counts()); c != "Cut:5 Gaps:1 Missing:5 Expired:1" {
		t.Errorf("counts %s", c)
	}
	if o := opened[0]; o.Key != (Key{port(40000), port(53), packet.UDP}) || o.Midstream || !o.At.Equal(at) {
		t.Errorf("opened %+v", o)
	}
}

// TCP and UDP with the same addresses are two connections.
func TestProtocolsAreApart(t *testing.T) {
	s := newScript(t, Options{})
	s.play(after("c A 1 1 ask")...)
	s.table.Packet(&packet.Packet{Time: s.now, Src: clientAddr, Dst: serverAddr, Protocol: packet.UDP, Payload: []byte("x"), PayloadLen: 1})
	if s.conns != 2 {
		t.Errorf("%d connections", s.conns)
	}
}

// The oldest connection makes room, a closed one before an open one.
func TestMaxConns(t *testing.T) {
	s := newScript(t, Options{MaxConns: 3})
	connect := func(n int, close bool) {
		s.addr[0] = netip.AddrPortFrom(clientAddr.Addr(), uint16(n))
		s.play(after("c A 1 1 x")...)
		if close {
			s.play("c FA 2 1", "s FA 1 3")
		}
	}
	connect(1, false)
	connect(2, true)
	connect(3, false)
	connect(4, false) // takes the place of 2
	if c := s.table.Counts(); c.Evicted != 0 || c.Open != 3 {
		t.Fatalf("%+v", c)
	}
	s.addr[0] = netip.AddrPortFrom(clientAddr.Addr(), 1)
	s.play("c A 2 1 y") // used: 3 is the oldest now
	s.log = nil
	connect(5, false)
	want := []string{"c stopped", "s stopped", "open by client", "c x"}
	if c := s.table.Counts(); c.Evicted != 1 || c.Open != 3 || !slices.Equal(s.log, want) {
		t.Fatalf("%+v %q", c, s.log)
	}
	for n, there := range map[int]bool{1: true, 2: false, 3: false, 4: true, 5: true} {
		p := packet.Packet{Src: netip.AddrPortFrom(clientAddr.Addr(), uint16(n)), Dst: serverAddr, Protocol: packet.TCP}
		if (s.table.conns.all[pairOf(&p)] != nil) != there {
			t.Errorf("connection %d: want it there %v", n, there)
		}
	}
	s.table.Packet(datagram(9, 53, s.now, "x", 0)) // takes the place of 4
	s.table.Packet(datagram(8, 53, s.now, "x", 0)) // of 1
	s.table.Packet(datagram(7, 53, s.now, "x", 0)) // of 5
	s.table.Packet(datagram(6, 53, s.now, "x", 0)) // of the first datagram
	checkCounts(t, s.table)
	if c := s.table.Counts(); c.Evicted != 5 || c.Open != 3 {
		t.Errorf("%+v", c)
	}
}

// Bytes that are held in all are bounded: the connection that holds more gives
// up what it misses.
func TestHeldBytes(t *testing.T) {
	s := newScript(t, Options{HeldBytes: 10_000})
	for n := range 10 {
		s.addr[0] = netip.AddrPortFrom(clientAddr.Addr(), uint16(1000+n))
		s.play(after("c A 2 1 x *3000")...)
		if s.table.cost > 10_000 {
			t.Fatalf("a cost of %d", s.table.cost)
		}
	}
	if c := s.table.Counts(); c.Gaps != 7 || c.Held != 9000 {
		t.Errorf("%+v", c)
	}
	s.play("flush")
	if c := s.table.Counts(); c.Gaps != 10 || c.Held != 0 || s.table.cost != 0 {
		t.Errorf("%+v, cost %d", c, s.table.cost)
	}
}

// Many small segments, too, are bounded.
func TestHeldSegments(t *testing.T) {
	s := newScript(t, Options{GapPackets: 1 << 30})
	s.play(handshake...)
	for i := range maxSegments + 10 {
		s.play(fmt.Sprintf("c A %d 1 x", 3+2*i))
	}
	if c := s.table.Counts(); c.Held != maxSegments || c.Gaps != 10 {
		t.Errorf("%+v", c)
	}
}

// What is delivered in order is not copied and takes no memory.
func TestInOrderDoesNotAllocate(t *testing.T) {
	table := New(Options{}, func(Opened) Conn { return nil })
	p := packet.Packet{Time: time.Unix(1, 0), Src: clientAddr, Dst: serverAddr, Protocol: packet.TCP, Flags: packet.ACK, Payload: make([]byte, 100), PayloadLen: 100}
	u := *datagram(1, 2, p.Time, "x", 0)
	table.Packet(&p)
	table.Packet(&u)
	if n := testing.AllocsPerRun(100, func() {
		p.Seq += 100
		table.Packet(&p)
		table.Packet(&u)
		table.Expire(p.Time)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestOptions(t *testing.T) {
	if o := (Options{Idle: time.Second}).withDefaults(); o.Idle != time.Second || o.MaxConns != DefaultOptions().MaxConns {
		t.Errorf("%+v", o)
	}
	if o := (Options{}).withDefaults(); o != DefaultOptions() {
		t.Errorf("%+v", o)
	}
}

type sink struct{ n int }

func (s *sink) Data(_ decode.Side, _ time.Time, b []byte)      { s.n += len(b) }
func (s *sink) Gap(decode.Side, time.Time, int64)              {}
func (s *sink) End(_ decode.Side, _ time.Time, how decode.End) {}

// BenchmarkPacket is a request and its response in turn, on some connections,
// with the acknowledgement of each.
func BenchmarkPacket(b *testing.B) {
	for _, conns := range []int{1, 64, 10000} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			s := &sink{}
			table := New(Options{}, func(Opened) Conn { return s })
			payload := []byte(strings.Repeat("x", 100))
			packets := make([][2]packet.Packet, conns)
			for i := range packets {
				c, srv := netip.AddrPortFrom(clientAddr.Addr(), uint16(1000+i)), serverAddr
				packets[i] = [2]packet.Packet{
					{Time: time.Unix(1, 0), Src: c, Dst: srv, Protocol: packet.TCP, Flags: packet.ACK, Seq: 1, Ack: 1},
					{Time: time.Unix(1, 0), Src: srv, Dst: c, Protocol: packet.TCP, Flags: packet.ACK, Seq: 1, Ack: 1},
				}
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				p := &packets[i/4%conns]
				send, reply := &p[i>>1&1], &p[1-i>>1&1]
				if i&1 == 0 {
					send.Payload, send.PayloadLen = payload, len(payload)
					table.Packet(send)
					send.Seq += 100
					reply.Ack = send.Seq
				} else {
					reply.Payload, reply.PayloadLen = nil, 0
					table.Packet(reply)
				}
				i++
			}
		})
	}
}
