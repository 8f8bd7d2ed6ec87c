package diag

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// What Linux 6.18 wrote on a little-endian machine, to the byte.
const (
	tcp4Bytes = "7c0000001400000001000000b11c0000020a0000870700007f5301010000000000000000000000000000000000000000000000000000000000000000021000000000000000000000000000000010000000000000f4300000050008000000000008000f00000000000c00150001000000000000000600160052000000"
	tcp6Bytes = "840000001400000002000000b11c00000a0a000087080000000000000000000000000000000000010000000000000000000000000000000000000000031000000000000000000000000000000010000000000000f6300000050008000000000005000b000100000008000f00000000000c00150001000000000000000600160012000000"
	udp4Bytes = "7c0000001400000003000000b11c000002070000870700007f5301010000000000000000000000000000000000000000000000000000000000000000041000000000000000000000000000000000000000000000f8300000050008000000000008000f00000000000c00150001000000000000000600160050000000"
	// NLMSG_ERROR with ENOENT and the question's header; NLMSG_DONE with 0.
	enoentBytes = "2400000002000000" + "01000000" + "b11c0000" + "feffffff" + "4800000014000100" + "01000000" + "00000000"
	doneBytes   = "1400000003000200" + "01000000" + "b11c0000" + "00000000"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	zero4 := netip.MustParseAddrPort("0.0.0.0:0")
	zero6 := netip.MustParseAddrPort("[::]:0")
	tcp4 := Socket{Family: unix.AF_INET, State: StateListen, Src: netip.MustParseAddrPort("127.83.1.1:34567"), Dst: zero4, Inode: 0x30f4, Cookie: 0x1002, CgroupID: 1, WQueue: 4096}
	tcp6 := Socket{Family: unix.AF_INET6, State: StateListen, Src: netip.MustParseAddrPort("[::1]:34568"), Dst: zero6, Inode: 0x30f6, Cookie: 0x1003, CgroupID: 1, WQueue: 4096, V6Only: true}
	udp4 := Socket{Family: unix.AF_INET, State: StateClose, Src: netip.MustParseAddrPort("127.83.1.1:34567"), Dst: zero4, Inode: 0x30f8, Cookie: 0x1004, CgroupID: 1}
	multi := func(s string) string { return s[:12] + "0200" + s[16:] }
	interrupted := func(s string) string { return s[:12] + "1200" + s[16:] }
	for _, test := range []struct {
		name  string
		hex   string
		seq   uint32
		want  []Socket
		batch batch
		bad   bool
	}{
		{name: "TCP over IPv4", hex: tcp4Bytes, seq: 1, want: []Socket{tcp4}, batch: batch{done: true}},
		{name: "TCP over IPv6, V6ONLY", hex: tcp6Bytes, seq: 2, want: []Socket{tcp6}, batch: batch{done: true}},
		{name: "UDP", hex: udp4Bytes, seq: 3, want: []Socket{udp4}, batch: batch{done: true}},
		{name: "part of a dump", hex: multi(tcp4Bytes), seq: 1, want: []Socket{tcp4}},
		{name: "end of a dump", hex: multi(tcp4Bytes) + doneBytes, seq: 1, want: []Socket{tcp4}, batch: batch{done: true}},
		{name: "interrupted dump", hex: interrupted(tcp4Bytes) + doneBytes, seq: 1, want: []Socket{tcp4}, batch: batch{done: true, interrupted: true}},
		{name: "answer to another question", hex: tcp4Bytes, seq: 9},
		{name: "not found", hex: enoentBytes, seq: 1, batch: batch{done: true, errno: unix.ENOENT}},
		{name: "nothing", hex: ""},
		{name: "cut header", hex: tcp4Bytes[:20], seq: 1, bad: true},
		{name: "cut body", hex: tcp4Bytes[:100], seq: 1, bad: true},
		{name: "length of zero", hex: "00000000" + tcp4Bytes[8:], seq: 1, bad: true},
		{name: "body shorter than a socket", hex: "20000000" + tcp4Bytes[8:64], seq: 1, bad: true},
		{name: "attribute longer than its message", hex: "60000000" + tcp4Bytes[8:32+144] + "ffff0b0000000000", seq: 1, bad: true},
		{name: "attribute of length zero", hex: "60000000" + tcp4Bytes[8:32+144] + "00000b0000000000", seq: 1, bad: true},
		{name: "a Unix socket", hex: tcp4Bytes[:32] + "01" + tcp4Bytes[34:], seq: 1, bad: true},
		{name: "another message type", hex: tcp4Bytes[:8] + "1500" + tcp4Bytes[12:], seq: 1, bad: true},
		{name: "error without errno", hex: "1000000002000000" + "01000000" + "00000000", seq: 1, bad: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []Socket
			b, err := parse(fromHex(t, test.hex), test.seq, func(s Socket) { got = append(got, s) })
			if (err != nil) != test.bad {
				t.Fatal("error:", err)
			}
			if test.bad {
				return
			}
			if b != test.batch {
				t.Errorf("batch %+v, want %+v", b, test.batch)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

// The questions, as Linux 6.18 took them.
func TestRequest(t *testing.T) {
	local := netip.MustParseAddrPort("127.83.1.1:34567")
	for _, test := range []struct {
		name     string
		protocol byte
		at       int
		seq      uint32
		want     string
	}{
		{"TCP", unix.IPPROTO_TCP, 0, 1, "4800000014000100010000000000000002060000ff0f0000870700007f5301010000000000000000000000000000000000000000000000000000000000000000ffffffffffffffff"},
		{"UDP", unix.IPPROTO_UDP, 1, 3, "4800000014000100030000000000000002110000ff0f000000008707000000000000000000000000000000007f53010100000000000000000000000000000000ffffffffffffffff"},
	} {
		var b [HeaderLen + requestLen]byte
		putRequest(&b, test.seq, 0, unix.AF_INET, test.protocol, AllStates)
		putAddress(&b, test.at, local)
		if got := hex.EncodeToString(b[:]); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{tcp4Bytes, tcp6Bytes, udp4Bytes, enoentBytes, doneBytes, tcp4Bytes + tcp4Bytes} {
		f.Add(fromHex(f, s), uint32(1))
	}
	f.Fuzz(func(t *testing.T, b []byte, seq uint32) {
		count := 0
		_, err := parse(b, seq, func(s Socket) {
			count++
			if !s.Src.Addr().IsValid() || !s.Dst.Addr().IsValid() {
				t.Errorf("socket without address: %+v", s)
			}
			if s.Family == unix.AF_INET != s.Src.Addr().Is4() {
				t.Errorf("family %d with address %v", s.Family, s.Src)
			}
		})
		if count > len(b)/(HeaderLen+diagLen) {
			t.Errorf("%d sockets out of %d bytes (%v)", count, len(b), err)
		}
	})
}
