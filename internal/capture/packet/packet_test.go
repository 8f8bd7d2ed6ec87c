package packet

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func bs(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "\n", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

var (
	// 40000 → 80, seq 1, ack 2, PSH|ACK, window 512, no options
	tcpHeader = bs("9c40 0050 00000001 00000002 50 18 0200 0000 0000")
	// the same with 12 bytes of options
	tcpOptions = bs("9c40 0050 00000001 00000002 80 18 0200 0000 0000 0101080a 00000001 00000002")
	hello      = []byte("hello")
)

// ip4 returns an IPv4 packet. total < 0: as it is.
func ip4(proto byte, total int, options, payload []byte) []byte {
	h := bs("45 00 0000 0000 4000 40 06 0000 7f000001 7f000002")
	h[0] = 0x40 | byte(5+len(options)/4)
	h[9] = proto
	if total < 0 {
		total = 20 + len(options) + len(payload)
	}
	binary.BigEndian.PutUint16(h[2:], uint16(total))
	return join(h, options, payload)
}

func ip6(next byte, length int, payload []byte) []byte {
	h := bs("60000000 0000 06 40 00000000000000000000000000000001 00000000000000000000ffff7f000001")
	h[6] = next
	if length < 0 {
		length = len(payload)
	}
	binary.BigEndian.PutUint16(h[4:], uint16(length))
	return join(h, payload)
}

func ether(kind string, b []byte) []byte { return join(make([]byte, 12), bs(kind), b) }

func TestParse(t *testing.T) {
	v4 := ip4(6, -1, nil, join(tcpHeader, hello))
	v6 := ip6(6, -1, join(tcpHeader, hello))
	udp := bs("9c40 0035 000d 0000 68656c6c6f")
	long := bytes.Repeat([]byte("x"), 70000)
	fragmented := ip4(6, -1, nil, join(tcpHeader, hello))
	fragmented[6] = 0x20
	later := ip4(6, -1, nil, join(tcpHeader, hello))
	later[7] = 1
	for _, c := range []struct {
		name    string
		link    LinkType
		data    []byte
		orig    int // added to len(data)
		payload string
		len     int // 0: that of payload
		err     error
	}{
		{name: "Ethernet", link: LinkEthernet, data: ether("0800", v4), payload: "hello"},
		{name: "Ethernet with padding", link: LinkEthernet, data: join(ether("0800", v4), make([]byte, 9)), payload: "hello"},
		{name: "VLAN", link: LinkEthernet, data: ether("8100 0001 0800", v4), payload: "hello"},
		{name: "VLAN in VLAN, IPv6", link: LinkEthernet, data: ether("88a8 0001 8100 0002 86dd", v6), payload: "hello"},
		{name: "ARP", link: LinkEthernet, data: ether("0806", make([]byte, 28)), err: ErrNotIP},
		{name: "802.3", link: LinkEthernet, data: ether("0010", make([]byte, 28)), err: ErrNotIP},
		{name: "Ethernet says IPv4, it is IPv6", link: LinkEthernet, data: ether("0800", v6), err: ErrMalformed},
		{name: "Ethernet cut", link: LinkEthernet, data: make([]byte, 13), orig: 50, err: ErrTruncated},
		{name: "VLAN cut", link: LinkEthernet, data: ether("8100 0001", nil), orig: 50, err: ErrTruncated},
		{name: "Ethernet header only", link: LinkEthernet, data: ether("0800", nil), orig: 50, err: ErrTruncated},
		{name: "raw 4", link: LinkRaw, data: v4, payload: "hello"},
		{name: "raw 6", link: LinkRaw, data: v6, payload: "hello"},
		{name: "raw of another version", link: LinkRaw, data: make([]byte, 60), err: ErrNotIP},
		{name: "nothing", link: LinkRaw, err: ErrTruncated},
		{name: "IPV4", link: LinkIPv4, data: v4, payload: "hello"},
		{name: "IPV6", link: LinkIPv6, data: v6, payload: "hello"},
		{name: "null, little endian", link: LinkNull, data: join(bs("02000000"), v4), payload: "hello"},
		{name: "null, big endian", link: LinkNull, data: join(bs("0000001e"), v6), payload: "hello"},
		{name: "null, OSI", link: LinkNull, data: join(bs("07000000"), v6), err: ErrNotIP},
		{name: "loop", link: LinkLoop, data: join(bs("00000018"), v6), payload: "hello"},
		{name: "null, cut", link: LinkNull, data: bs("0200"), orig: 50, err: ErrTruncated},
		{name: "SLL", link: LinkSLL, data: join(bs("0000 0304 0006 0000000000000000 0800"), v4), payload: "hello"},
		{name: "SLL2", link: LinkSLL2, data: join(bs("86dd 0000 00000001 0304 00 06 0000000000000000"), v6), payload: "hello"},
		{name: "PKTAP", link: LinkPKTAP, data: join(pktap(1), ether("0800", v4)), payload: "hello"},
		{name: "PKTAP raw", link: LinkPKTAP, data: join(pktap(12), v6), payload: "hello"},
		{name: "PKTAP in PKTAP", link: LinkPKTAP, data: join(pktap(149), pktap(12), v6), err: ErrNotIP},
		{name: "PKTAP header shorter than itself", link: LinkPKTAP, data: bs("04000000 01000000 0c000000"), err: ErrMalformed},
		{name: "PKTAP header longer than the frame", link: LinkPKTAP, data: bs("ffffffff 01000000 0c000000"), err: ErrTruncated},
		{name: "MPLS", link: LinkEthernet, data: ether("8847 0001 00ff 0001 01ff", v6), payload: "hello"},
		{name: "MPLS cut", link: LinkEthernet, data: ether("8847 0001 00ff 00", nil), orig: 50, err: ErrTruncated},
		{name: "PPPoE in VLAN", link: LinkEthernet, data: ether("8100 0001 8864 1100 0001 0040 0021", v4), payload: "hello"},
		{name: "PPPoE, LCP", link: LinkEthernet, data: ether("8864 1100 0001 0040 c021", v4), err: ErrNotIP},
		{name: "PPP", link: LinkPPP, data: join(bs("ff03 0057"), v6), payload: "hello"},
		{name: "PPP, short", link: LinkPPP, data: join(bs("21"), v4), payload: "hello"},
		{name: "PPP, cut", link: LinkPPP, data: bs("ff03 00"), orig: 50, err: ErrTruncated},
		{name: "HDLC of Cisco", link: LinkPPPHDLC, data: join(bs("0f00 0800"), v4), payload: "hello"},
		{name: "raw, as BSD numbers it", link: LinkDLTRaw, data: v4, payload: "hello"},
		{name: "raw, as OpenBSD numbers it", link: LinkDLTRaw14, data: v6, payload: "hello"},
		{name: "NFLOG", link: LinkNFLOG, data: join(bs("02000000 0800 0100 00000000 0500 0a00 78 000000 3100 0900"), v4), payload: "hello"},
		{name: "NFLOG, big endian", link: LinkNFLOG, data: join(bs("02000000 0008 0001 00000000 0031 0009"), v4), payload: "hello"},
		{name: "NFLOG, without a packet", link: LinkNFLOG, data: bs("02000000 0800 0100 00000000"), err: ErrMalformed},
		{name: "NFLOG, an attribute without length", link: LinkNFLOG, data: bs("02000000 0000 0000 00000000"), err: ErrMalformed},
		{name: "another link type", link: 147, data: v4, err: LinkTypeError(147)},
		{name: "another link type, big", link: 300, data: v4, err: LinkTypeError(300)},

		{name: "IPv4 options", link: LinkRaw, data: ip4(6, -1, bs("94040000 01010101"), join(tcpHeader, hello)), payload: "hello"},
		{name: "IPv4 total length 0", link: LinkRaw, data: ip4(6, 0, nil, join(tcpHeader, long)), payload: string(long)},
		{name: "IPv4 total length 0, cut", link: LinkRaw, data: ip4(6, 0, nil, join(tcpHeader, hello)), orig: 100000, payload: "hello", len: 100005},
		{name: "IPv4 total length beyond the frame", link: LinkRaw, data: ip4(6, 2000, nil, join(tcpHeader, hello)), payload: "hello"},
		{name: "IPv4 total length less than the header", link: LinkRaw, data: ip4(6, 19, nil, join(tcpHeader, hello)), err: ErrMalformed},
		{name: "IPv4 total length within TCP's header", link: LinkRaw, data: ip4(6, 30, nil, join(tcpHeader, hello)), err: ErrMalformed},
		{name: "IPv4 header length 4", link: LinkRaw, data: append([]byte{0x41}, v4[1:]...), err: ErrMalformed},
		{name: "IPv4 cut", link: LinkRaw, data: v4[:19], orig: 30, err: ErrTruncated},
		{name: "IPv4 short", link: LinkRaw, data: v4[:19], err: ErrMalformed},
		{name: "IPv4 options cut", link: LinkRaw, data: ip4(6, -1, bs("94040000"), nil)[:22], orig: 22, err: ErrTruncated},
		{name: "first fragment", link: LinkRaw, data: fragmented, err: ErrFragment},
		{name: "later fragment", link: LinkRaw, data: later, err: ErrFragment},
		{name: "ICMP", link: LinkRaw, data: ip4(1, -1, nil, make([]byte, 8)), err: ErrNotTransport},

		{name: "IPv6 hop by hop, destination, authentication", link: LinkRaw, data: ip6(0, -1, join(bs("3c00 000000000000"), bs("3301 000000000000 0000000000000000"), bs("0601 000000000000 00000000"), tcpHeader, hello)), payload: "hello"},
		{name: "IPv6 atomic fragment", link: LinkRaw, data: ip6(44, -1, join(bs("0600 0000 00000001"), tcpHeader, hello)), payload: "hello"},
		{name: "IPv6 fragment", link: LinkRaw, data: ip6(44, -1, join(bs("0600 0001 00000001"), tcpHeader, hello)), err: ErrFragment},
		{name: "IPv6 later fragment", link: LinkRaw, data: ip6(44, -1, join(bs("0600 0008 00000001"), tcpHeader, hello)), err: ErrFragment},
		{name: "IPv6 jumbogram", link: LinkRaw, data: ip6(0, 0, join(bs("0600 c204 00011184"), tcpHeader, long)), payload: string(long)},
		{name: "IPv6 payload length beyond the frame", link: LinkRaw, data: ip6(6, 2000, join(tcpHeader, hello)), payload: "hello"},
		{name: "IPv6 no next header", link: LinkRaw, data: ip6(59, -1, nil), err: ErrNotTransport},
		{name: "IPv6 cut", link: LinkRaw, data: v6[:39], orig: 30, err: ErrTruncated},
		{name: "IPv6 extension header cut", link: LinkRaw, data: ip6(0, -1, bs("0604 00000000 0000"))[:44], orig: 80, err: ErrMalformed},
		{name: "IPv6 extension header beyond the capture", link: LinkRaw, data: ip6(0, 80, bs("0604 00000000 0000")), orig: 80, err: ErrTruncated},

		{name: "TCP options", link: LinkRaw, data: ip4(6, -1, nil, join(tcpOptions, hello)), payload: "hello"},
		{name: "TCP cut in the options", link: LinkRaw, data: ip4(6, -1, nil, join(tcpOptions, hello))[:45], orig: 12, payload: "", len: 5},
		{name: "TCP cut in the payload", link: LinkRaw, data: v4[:42], orig: 3, payload: "he", len: 5},
		{name: "TCP cut in the header", link: LinkRaw, data: v4[:39], orig: 6, err: ErrTruncated},
		{name: "TCP header length 4", link: LinkRaw, data: ip4(6, -1, nil, join(tcpHeader[:12], bs("40"), tcpHeader[13:])), err: ErrMalformed},
		{name: "TCP header beyond the packet", link: LinkRaw, data: ip4(6, -1, nil, join(tcpHeader[:12], bs("f0"), tcpHeader[13:])), err: ErrMalformed},
		{name: "origLen less than data", link: LinkRaw, data: v4, orig: -30, payload: "hello"},

		{name: "UDP", link: LinkRaw, data: ip4(17, -1, nil, udp), payload: "hello"},
		{name: "UDP in IPv6", link: LinkRaw, data: ip6(17, -1, udp), payload: "hello"},
		{name: "UDP shorter than IP says", link: LinkRaw, data: ip4(17, -1, nil, join(udp, hello)), payload: "hello"},
		{name: "UDP cut", link: LinkRaw, data: ip4(17, 33, nil, udp[:10]), orig: 3, payload: "he", len: 5},
		{name: "UDP length 7", link: LinkRaw, data: ip4(17, -1, nil, bs("9c40 0035 0007 0000")), err: ErrMalformed},
		{name: "UDP length 0", link: LinkRaw, data: ip6(17, 0, join(bs("9c40 0035 0000 0000"), long)), payload: string(long)},
		{name: "UDP short", link: LinkRaw, data: ip4(17, -1, nil, udp[:7]), err: ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Packet{Flags: 255, Seq: 99, Payload: []byte("old"), PayloadLen: 3}
			err := Parse(c.link, c.data, len(c.data)+c.orig, &p)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if c.len == 0 {
				c.len = len(c.payload)
			}
			if string(p.Payload) != c.payload || p.PayloadLen != c.len {
				t.Fatalf("payload %.20q, %d on the wire; want %.20q, %d", p.Payload, p.PayloadLen, c.payload, c.len)
			}
			src, dst := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
			if !p.Src.Addr().Is4() {
				src, dst = netip.MustParseAddr("::1"), netip.MustParseAddr("::ffff:127.0.0.1")
			}
			if p.Src.Addr() != src || p.Dst.Addr() != dst || p.Src.Port() != 40000 {
				t.Errorf("addresses %v → %v", p.Src, p.Dst)
			}
			if p.Protocol == TCP && (p.Dst.Port() != 80 || p.Seq != 1 || p.Ack != 2 || p.Flags != PSH|ACK || p.Window != 512) {
				t.Errorf("TCP header: %+v", p)
			}
			if p.Protocol == UDP && (p.Dst.Port() != 53 || p.Seq != 0 || p.Flags != 0) {
				t.Errorf("UDP header: %+v", p)
			}
		})
	}
}

// pktap returns a PKTAP header of 108 bytes.
func pktap(dlt byte) []byte {
	return join(bs("6c000000 01000000"), []byte{dlt, 0, 0, 0}, make([]byte, 96))
}

func TestParseDoesNotAllocate(t *testing.T) {
	data := ether("86dd", ip6(6, -1, join(tcpHeader, hello)))
	arp := ether("0806", make([]byte, 28))
	var p Packet
	if n := testing.AllocsPerRun(100, func() {
		_ = Parse(LinkEthernet, data, len(data), &p)
		_ = Parse(LinkEthernet, arp, len(arp), &p)
	}); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}

func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		(SYN | ACK).String():        "SYN|ACK",
		TCP.String():                "tcp",
		UDP.String():                "udp",
		Protocol(1).String():        "protocol 1",
		LinkSLL2.String():           "LINUX_SLL2",
		LinkType(147).String():      "LINKTYPE 147",
		LinkTypeError(147).Error():  "link type 147 is not supported",
		LinkType(LinkNull).String(): "NULL",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	v4 := ip4(6, -1, nil, join(tcpOptions, hello))
	for _, l := range []LinkType{LinkNull, LinkEthernet, LinkRaw, LinkLoop, LinkSLL, LinkIPv4, LinkIPv6, LinkPKTAP, LinkSLL2, LinkPPP, LinkPPPHDLC, LinkNFLOG, LinkDLTRaw} {
		f.Add(uint16(l), v4, len(v4))
	}
	f.Add(uint16(LinkEthernet), ether("86dd", ip6(17, -1, bs("9c40 0035 000d 0000 68656c6c6f"))), 100)
	f.Add(uint16(LinkPKTAP), join(pktap(1), ether("0800", v4)), 0)
	f.Fuzz(func(t *testing.T, link uint16, data []byte, orig int) {
		var p Packet
		if err := Parse(LinkType(link), data, orig, &p); err != nil {
			return
		}
		if len(p.Payload) > p.PayloadLen || p.PayloadLen > max(orig, len(data)) {
			t.Errorf("%d bytes of payload, %d on the wire, of %d and %d", len(p.Payload), p.PayloadLen, len(data), orig)
		}
		if !p.Src.IsValid() || !p.Dst.IsValid() || p.Protocol != TCP && p.Protocol != UDP {
			t.Errorf("packet %+v", p)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	data := ether("0800", ip4(6, -1, nil, join(tcpOptions, hello)))
	var p Packet
	b.ReportAllocs()
	for b.Loop() {
		_ = Parse(LinkEthernet, data, len(data), &p)
	}
}

func TestUnreachable(t *testing.T) {
	udp := bs("9c40 270f 000d 0000 68656c6c6f")
	quoted4, quoted6 := ip4(17, -1, nil, udp), ip6(17, -1, udp)
	v4 := ip4(1, -1, nil, join(bs("03 03 0000 00000000"), quoted4))
	v6 := ip6(58, -1, join(bs("01 04 0000 00000000"), quoted6))
	for _, tt := range []struct {
		name  string
		frame []byte
		want  string // the ends
	}{
		{"IPv4", ether("0800", v4), "127.0.0.1:40000 127.0.0.2:9999"},
		{"IPv6", ether("86dd", v6), "[::1]:40000 [::ffff:127.0.0.1]:9999"},
		{"cut behind the ports", ether("0800", ip4(1, -1, nil, join(bs("03 03 0000 00000000"), quoted4[:28]))), "127.0.0.1:40000 127.0.0.2:9999"},
		{"TCP", ether("0800", ip4(1, -1, nil, join(bs("03 0d 0000 00000000"), ip4(6, 40, nil, tcpHeader[:8])))), "127.0.0.1:40000 127.0.0.2:80"},
		{"cut within the ports", ether("0800", ip4(1, -1, nil, join(bs("03 03 0000 00000000"), quoted4[:27]))), ""},
		{"echo", ether("0800", ip4(1, -1, nil, join(bs("08 00 0000 00000000"), quoted4))), ""},
		{"too big", ether("0800", ip4(1, -1, nil, join(bs("03 04 0000 00000000"), quoted4))), ""},
		{"not ICMP", ether("0800", quoted4), ""},
		{"nothing", nil, ""},
	} {
		var p Packet
		ok := Unreachable(LinkEthernet, tt.frame, len(tt.frame), &p)
		got := ""
		if ok {
			got = p.Src.String() + " " + p.Dst.String()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if ok && !errors.Is(Parse(LinkEthernet, tt.frame, len(tt.frame), &p), ErrNotTransport) {
			t.Errorf("%s: it is parsed", tt.name)
		}
	}
}
