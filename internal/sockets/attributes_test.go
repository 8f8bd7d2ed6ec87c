package sockets

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/loopback"
)

func TestParseInfo(t *testing.T) {
	var b [infoLen + 100]byte
	for i := range b {
		b[i] = byte(i)
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	want := TCPInfo{
		IdleSend: u32(44), IdleReceive: u32(52), RTT: u32(68), RTTVar: u32(72), CongestionW: u32(80), Retransmits: u32(100),
		Sent: binary.NativeEndian.Uint64(b[120:]), Received: binary.NativeEndian.Uint64(b[128:]),
	}
	if got := parseInfo(b[:]); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// Linux 3.x has a shorter one.
	want.Sent, want.Received = 0, 0
	if got := parseInfo(b[:104]); got != want {
		t.Errorf("old: got %+v", got)
	}
	if got := parseInfo(nil); got != (TCPInfo{}) {
		t.Errorf("empty: got %+v", got)
	}
}

// The attributes of a TCP socket with INET_DIAG_INFO before those that every
// socket has.
func TestParseRecordWithInfo(t *testing.T) {
	b := fromHex(t, tcp4Bytes)[headerLen:]
	info := make([]byte, attrLen+infoLen)
	binary.NativeEndian.PutUint16(info, uint16(len(info)))
	binary.NativeEndian.PutUint16(info[2:], attrInfo)
	binary.NativeEndian.PutUint32(info[attrLen+68:], 1234)
	b = append(append(b[:diagLen:diagLen], info...), b[diagLen:]...)
	var r record
	var got TCPInfo
	if err := parseRecord(b, &r, &got); err != nil {
		t.Fatal(err)
	}
	if got.RTT != 1234 || r.cgroup != 1 || r.inode != 0x30f4 || r.flags != flagUID {
		t.Errorf("got %+v, %+v", r, got)
	}
}

func TestStateNames(t *testing.T) {
	for _, c := range []struct {
		proto, state uint8
		port         uint16
		want         string
	}{
		{protoTCP, 1, 1, "established"}, {protoUDP, 1, 1, "connected"}, {protoUnix, 1, 0, "connected"},
		{protoTCP, 2, 1, "syn_sent"}, {protoTCP, 3, 1, "syn_recv"}, {protoTCP, 12, 1, "syn_recv"},
		{protoTCP, 4, 1, "fin_wait_1"}, {protoTCP, 5, 1, "fin_wait_2"}, {protoTCP, 6, 1, "time_wait"},
		{protoTCP, 7, 1, "bound"}, {protoUDP, 7, 1, "bound"}, {protoUnix, 7, 1, "bound"}, {protoUnix, 7, 0, "close"},
		{protoTCP, 8, 1, "close_wait"}, {protoTCP, 9, 1, "last_ack"}, {protoTCP, 10, 1, "listen"}, {protoTCP, 11, 1, "closing"},
		{protoTCP, 99, 1, "unknown"},
	} {
		r := record{proto: c.proto, state: c.state, localPort: c.port}
		if got := r.stateName(); got != c.want {
			t.Errorf("%d %d %d: %s, want %s", c.proto, c.state, c.port, got, c.want)
		}
	}
}

func TestKernelStates(t *testing.T) {
	for _, c := range []struct {
		states []string
		proto  uint8
		want   uint32
	}{
		{nil, protoTCP, 0xfff | 1<<12 | 1<<13}, {nil, protoUDP, 0xfff},
		{[]string{"listen"}, protoTCP, 1 << 10}, {[]string{"listen"}, protoUDP, 1 << 10},
		{[]string{"bound"}, protoTCP, 1<<7 | 1<<13}, {[]string{"bound"}, protoUDP, 1 << 7},
		{[]string{"connected"}, protoTCP, 0}, {[]string{"connected"}, protoUDP, 1 << 1},
		{[]string{"syn_recv", "time_wait"}, protoTCP, 1<<3 | 1<<12 | 1<<6},
	} {
		q := Query{States: c.states}
		if got := q.kernelStates(c.proto); got != c.want {
			t.Errorf("%v of %d: %#x, want %#x", c.states, c.proto, got, c.want)
		}
	}
}

func TestQueryIsChecked(t *testing.T) {
	for _, q := range []Query{{States: []string{"open"}}, {Protocols: []string{"sctp"}}} {
		if _, err := List(t.Context(), q); err == nil || !strings.HasPrefix(err.Error(), "list sockets: ") {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestParseSockstat(t *testing.T) {
	// /proc/net/sockstat and sockstat6 of Linux 6.18.
	text := "sockets: used 30\nTCP: inuse 6 orphan 0 tw 3 alloc 202006 mem 331\nUDP: inuse 5 mem 0\nUDPLITE: inuse 0\nRAW: inuse 0\nFRAG: inuse 0 memory 0\n"
	if n := parseSockstat([]byte(text)); n != 9 {
		t.Errorf("got %d", n)
	}
	if n := parseSockstat([]byte("TCP6: inuse 2\nUDP6: inuse 1\n")); n != 2 {
		t.Errorf("got %d", n)
	}
	if n := parseSockstat([]byte("TCP:\nTCP: inuse\nTCP: inuse x tw 99999999999\n")); n != 0 {
		t.Errorf("got %d", n)
	}
}

func TestParsePasswd(t *testing.T) {
	for line, want := range map[string]string{
		"root:x:0:0:root:/root:/bin/bash": "0 root", "ann:x:1000:100::/:": "1000 ann", "ann:x:1000": "", "": "", "ann:x": "", "ann:x:y:": "", ":x:1:": "", "+::::::": "",
	} {
		uid, name, ok := parsePasswd(line)
		if ok != (want != "") || ok && want != fmt.Sprint(uid, " ", name) {
			t.Errorf("%q: %d %q %v", line, uid, name, ok)
		}
	}
}

func TestScope(t *testing.T) {
	s := scopes{local: map[netip.Addr]bool{netip.MustParseAddr("172.17.0.1"): true, netip.MustParseAddr("192.168.1.5"): false}, names: map[int]string{2: "eth0"}}
	for ip, want := range map[string]loopback.Scope{
		"127.0.0.1": loopback.ScopeLoopback, "127.53.0.1": loopback.ScopeLoopback, "::1": loopback.ScopeLoopback, "::ffff:127.0.0.1": loopback.ScopeLoopback,
		"127.64.0.1": loopback.ScopeHome, "127.127.255.254": loopback.ScopeHome, "127.128.0.1": loopback.ScopeLoopback, "fd6c:6f64:6765::7f53:1407": loopback.ScopeHome,
		"0.0.0.0": loopback.ScopeAll, "::": loopback.ScopeAll, "::ffff:0.0.0.0": loopback.ScopeAll,
		"192.168.1.5": loopback.ScopeLAN, "8.8.8.8": loopback.ScopeLAN, "2001:db8::1": loopback.ScopeLAN, "172.17.0.1": loopback.ScopeContainer,
		"169.254.1.1": loopback.ScopeLinkLocal, "fe80::1": loopback.ScopeLinkLocal, "fe80::1%eth0": loopback.ScopeLinkLocal,
		"224.0.0.251": loopback.ScopeMulticast, "ff02::fb": loopback.ScopeMulticast,
	} {
		if got := s.scope(netip.MustParseAddr(ip)); got != want {
			t.Errorf("%s: %s, want %s", ip, got, want)
		}
	}
	for name, want := range map[string]bool{
		"docker0": true, "br-0123456789ab": true, "br-lan": false, "br0": false, "br-0123456789aX": false, "veth12ab": true, "cni0": true,
		"podman1": true, "eth0": false, "wlan0": false, "lo": false, "virbr0": true, "wg0": false,
	} {
		if got := loopback.IsContainerBridge(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := s.zoned(netip.MustParseAddr("fe80::1"), 2); got.String() != "fe80::1%eth0" {
		t.Error(got)
	}
	if got := s.zoned(netip.MustParseAddr("fe80::1"), 3); got.String() != "fe80::1%3" {
		t.Error(got)
	}
	if got := s.zoned(netip.MustParseAddr("10.0.0.1"), 2); got.Zone() != "" {
		t.Error(got)
	}
}

func TestReadScopes(t *testing.T) {
	s, err := readScopes()
	if err != nil {
		t.Fatal(err)
	}
	if bridge, ok := s.local[netip.MustParseAddr("127.0.0.1")]; !ok || bridge {
		t.Errorf("127.0.0.1: %v, %v", bridge, ok)
	}
	found := false
	for _, name := range s.names {
		found = found || name == "lo"
	}
	if !found {
		t.Errorf("no lo in %v", s.names)
	}
}

// What an rtnetlink dump looks like: lo with one address.
const (
	linkBytes = "300000001000020001000000b11c0000" + "00000403" + "01000000" + "49000100" + "00000000" + "07000300" + "6c6f0000" + "08000d00" + "e8030000"
	addrBytes = "300000001400020001000000b11c0000" + "02088000" + "01000000" + "08000100" + "7f000001" + "08000200" + "7f000001" + "07000300" + "6c6f0000"
)

func TestParseScopes(t *testing.T) {
	s, err := parseScopes(fromHex(t, linkBytes+doneBytes), fromHex(t, addrBytes+doneBytes))
	if err != nil {
		t.Fatal(err)
	}
	if s.names[1] != "lo" || len(s.names) != 1 || len(s.local) != 1 {
		t.Errorf("got %+v", s)
	}
	if _, ok := s.local[netip.AddrFrom4([4]byte{127, 0, 0, 1})]; !ok {
		t.Errorf("got %+v", s)
	}
	if _, err := parseScopes(fromHex(t, linkBytes[:60]), nil); err == nil {
		t.Error("cut short: no error")
	}
}

func FuzzParseScopes(f *testing.F) {
	f.Add(fromHex(f, linkBytes+doneBytes), fromHex(f, addrBytes+doneBytes))
	f.Fuzz(func(_ *testing.T, links, addrs []byte) { _, _ = parseScopes(links, addrs) })
}

func FuzzParseInfo(f *testing.F) {
	f.Add(fromHex(f, tcp4Bytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r record
		var info TCPInfo
		if parseRecord(b, &r, &info) == nil && r.family != unix.AF_INET && r.family != unix.AF_INET6 {
			t.Errorf("family %d", r.family)
		}
	})
}

func FuzzText(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash"))
	f.Add([]byte("TCP: inuse 6 orphan 0 tw 3"))
	f.Add([]byte("/lodge-0-ab12/home-127.83.20.7/in/web%2e1"))
	f.Add([]byte("A=b\x00LODGE_HOME_ID=x\x00LODGE_SERVICE=db\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = parsePasswd(string(b))
		_ = parseSockstat(b)
		_, _ = environHome(b)
		if ip, service, ok := cgroupHome(string(b)); ok && (!loopback.HomeRange.Contains(ip) || service == "") {
			t.Errorf("%q: %v %q", b, ip, service)
		}
	})
}
