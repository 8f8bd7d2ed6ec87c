package stream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
)

// frame wraps an IP packet as a device of a link type does.
func frame(t *rapid.T, link packet.LinkType, ip []byte) []byte {
	kind := []byte{0x08, 0x00}
	family := byte(2) // AF_INET
	if ip[0]>>4 == 6 {
		kind, family = []byte{0x86, 0xdd}, 30 // AF_INET6 of FreeBSD
	}
	switch link {
	case packet.LinkEthernet:
		h := make([]byte, 12)
		for range rapid.IntRange(0, 2).Draw(t, "VLAN tags") {
			h = append(h, 0x81, 0, 0, 7)
		}
		return append(append(h, kind...), ip...)
	case packet.LinkSLL:
		return append(append([]byte{0, 0, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0}, kind...), ip...)
	case packet.LinkSLL2:
		return append(append(kind, 0, 0, 0, 0, 0, 1, 3, 4, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0), ip...)
	case packet.LinkNull:
		return append([]byte{family, 0, 0, 0}, ip...)
	case packet.LinkLoop:
		return append([]byte{0, 0, 0, family}, ip...)
	}
	return ip
}

// ipPacket returns an IP packet of TCP. Segments of more than IPv4's total length, or than
// IPv6's payload length, have a length of zero, as the kernel's offload leaves it.
func ipPacket(t *rapid.T, src, dst netip.AddrPort, seq, ack uint32, flags packet.Flags, payload []byte) []byte {
	tcp := make([]byte, 20, 20+len(payload))
	binary.BigEndian.PutUint16(tcp, src.Port())
	binary.BigEndian.PutUint16(tcp[2:], dst.Port())
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint32(tcp[8:], ack)
	tcp[12], tcp[13] = 5<<4, byte(flags)
	if rapid.Bool().Draw(t, "TCP options") {
		tcp[12] = 8 << 4
		tcp = append(tcp, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2)
	}
	tcp = append(tcp, payload...)
	if src.Addr().Is4() {
		h := []byte{0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6, 0, 0}
		h = append(append(h, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
		if rapid.Bool().Draw(t, "IPv4 options") {
			h[0], h = 0x46, append(h, 1, 1, 1, 1)
		}
		if n := len(h) + len(tcp); n <= 65535 {
			binary.BigEndian.PutUint16(h[2:], uint16(n))
		}
		return append(h, tcp...)
	}
	var extensions []byte
	next := byte(6)
	for range rapid.IntRange(0, 2).Draw(t, "extension headers") {
		extensions = append([]byte{next, 0, 1, 4, 0, 0, 0, 0}, extensions...)
		next = 60 // destination options
	}
	h := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
	h = append(append(h, src.Addr().AsSlice()...), dst.Addr().AsSlice()...)
	n := len(extensions) + len(tcp)
	if n > 65535 { // a jumbogram: hop-by-hop options first (RFC 2675)
		jumbo := []byte{next, 0, 0xc2, 4, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(jumbo[4:], uint32(n+8))
		h[6] = 0
		extensions = append(jumbo, extensions...)
		n = 0
	}
	binary.BigEndian.PutUint16(h[4:], uint16(n))
	return append(append(h, extensions...), tcp...)
}

var linkTypes = []packet.LinkType{packet.LinkEthernet, packet.LinkSLL, packet.LinkSLL2, packet.LinkNull, packet.LinkLoop, packet.LinkRaw}

// hosts draws the addresses of both ends: one of 127/8 each, v4-mapped, or IPv6.
func hosts(t *rapid.T) (src, dst netip.Addr) {
	draw := func(name string) netip.Addr {
		b := [4]byte{127, rapid.Byte().Draw(t, name), rapid.Byte().Draw(t, name), rapid.Byte().Draw(t, name)}
		return netip.AddrFrom4(b)
	}
	switch rapid.IntRange(0, 2).Draw(t, "addresses") {
	case 0:
		return draw("client"), draw("server")
	case 1:
		a, b := draw("client").As16(), draw("server").As16()
		return netip.AddrFrom16(a), netip.AddrFrom16(b) // v4-mapped
	}
	return netip.IPv6Loopback(), netip.IPv6Loopback()
}

// Conversations on every link type, one after the other at the same ports within a second,
// with segments of up to 64 KiB and more, come out as they were sent, each as a connection
// of its own.
func TestAnyLinkAndAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		link := rapid.SampledFrom(linkTypes).Draw(t, "link")
		from, to := hosts(t)
		addr := [2]netip.AddrPort{netip.AddrPortFrom(from, rapid.Uint16Range(1, 65535).Draw(t, "port")), netip.AddrPortFrom(to, rapid.Uint16Range(1, 65535).Draw(t, "port"))}
		if addr[0] == addr[1] {
			return // TestSelfConnectionOfAnyText
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "content"), 0))
		var got []*reader
		table := New(Options{}, func(o Opened) Conn {
			if o.Key.Src != addr[0] || o.Key.Dst != addr[1] || !o.ClientKnown || o.Midstream {
				t.Fatalf("opened %+v, want %v", o, addr)
			}
			got = append(got, &reader{})
			return got[len(got)-1]
		})
		at := time.Unix(1_000_000, 0)
		send := func(s int, seq, ack uint32, flags packet.Flags, payload []byte) {
			at = at.Add(time.Millisecond)
			data := frame(t, link, ipPacket(t, addr[s], addr[1-s], seq, ack, flags, payload))
			var p packet.Packet
			if err := packet.Parse(link, data, len(data), &p); err != nil {
				t.Fatalf("link type %d: %v", link, err)
			}
			p.Time = at
			table.Packet(&p)
			checkCounts(t, table)
		}
		conversations := rapid.IntRange(1, 4).Draw(t, "conversations")
		for n := range conversations {
			next := [2]uint32{r.Uint32(), r.Uint32()}
			send(0, next[0], 0, packet.SYN, nil)
			send(1, next[1], next[0]+1, packet.SYN|packet.ACK, nil)
			next[0]++
			next[1]++
			send(0, next[0], next[1], packet.ACK, nil)
			if len(got) != n+1 {
				t.Fatalf("%d connections of %d", len(got), n+1)
			}
			var sent [2][]byte
			for range rapid.IntRange(0, 5).Draw(t, "segments") {
				s := r.IntN(2)
				b := make([]byte, rapid.SampledFrom([]int{1, 100, 1448, 65483, 65535, 100_000}).Draw(t, "size"))
				for i := range b {
					b[i] = byte(r.Uint32())
				}
				send(s, next[s], next[1-s], packet.ACK|packet.PSH, b)
				if rapid.IntRange(0, 4).Draw(t, "again") == 0 {
					send(s, next[s], next[1-s], packet.ACK|packet.PSH, b)
				}
				next[s] += uint32(len(b))
				sent[s] = append(sent[s], b...)
			}
			how := decode.Closed
			if rapid.Bool().Draw(t, "reset") {
				how = decode.Reset
				send(0, next[0], next[1], packet.RST|packet.ACK, nil)
			} else {
				send(0, next[0], next[1], packet.FIN|packet.ACK, nil)
				send(1, next[1], next[0]+1, packet.FIN|packet.ACK, nil)
				send(0, next[0]+1, next[1]+1, packet.ACK, nil)
			}
			for s := range sent {
				if x := &got[n].sides[s]; !bytes.Equal(x.b, sent[s]) || x.wrong != "" || x.end != how {
					t.Fatalf("conversation %d: %d bytes of %d of side %d, end %d, %s", n, len(x.b), len(sent[s]), s, x.end, x.wrong)
				}
			}
		}
		if c := table.Counts(); c.Gaps != 0 || c.Opened != uint64(conversations) || c.Held != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

// A socket that is connected to itself reads what it writes, in any pieces.
func TestSelfConnectionOfAnyText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, _ := hosts(t)
		at := netip.AddrPortFrom(a, 5000)
		got := &reader{}
		table := New(Options{}, func(Opened) Conn { return got })
		seq, now := rapid.Uint32().Draw(t, "isn"), time.Unix(1_000_000, 0)
		send := func(flags packet.Flags, seq, ack uint32, payload []byte) {
			now = now.Add(time.Millisecond)
			table.Packet(&packet.Packet{Time: now, Src: at, Dst: at, Protocol: packet.TCP, Flags: flags, Seq: seq, Ack: ack, Payload: payload, PayloadLen: len(payload)})
			checkCounts(t, table)
		}
		send(packet.SYN, seq, 0, nil)
		send(packet.SYN|packet.ACK, seq, seq+1, nil)
		seq++
		var sent []byte
		for i := range rapid.IntRange(0, 20).Draw(t, "segments") {
			b := []byte(fmt.Sprintf("<%d>", i))
			send(packet.ACK, seq, seq, b)
			sent = append(sent, b...)
			seq += uint32(len(b))
			send(packet.ACK, seq, seq, nil)
		}
		send(packet.FIN|packet.ACK, seq, seq, nil)
		table.Flush()
		if x := got.sides[decode.Client]; !bytes.Equal(x.b, sent) || x.wrong != "" {
			t.Fatalf("%q of %q, %s", x.b, sent, x.wrong)
		}
	})
}

// A fragment is no segment: it is told as one, and never taken for another thing.
func TestFragmentsAreTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		link := rapid.SampledFrom(linkTypes).Draw(t, "link")
		ip := ipPacket(t, clientAddr, serverAddr, 1, 1, packet.ACK, []byte("hello"))
		binary.BigEndian.PutUint16(ip[6:], rapid.SampledFrom([]uint16{0x2000, 0x2001, 1, 0x1fff}).Draw(t, "fragment"))
		data := frame(t, link, ip)
		var p packet.Packet
		if err := packet.Parse(link, data, len(data), &p); !errors.Is(err, packet.ErrFragment) {
			t.Fatalf("link type %d: %v", link, err)
		}
	})
}
