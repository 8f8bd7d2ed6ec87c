package netif

import (
	"encoding/hex"
	"net/netip"
	"testing"

	"lodge/internal/loopback"
)

func TestScope(t *testing.T) {
	s := Addresses{local: map[netip.Addr]bool{netip.MustParseAddr("172.17.0.1"): true, netip.MustParseAddr("192.168.1.5"): false}, names: map[int]string{2: "eth0"}}
	for ip, want := range map[string]loopback.Scope{
		"127.0.0.1": loopback.ScopeLoopback, "127.53.0.1": loopback.ScopeLoopback, "::1": loopback.ScopeLoopback, "::ffff:127.0.0.1": loopback.ScopeLoopback,
		"127.64.0.1": loopback.ScopeHome, "127.127.255.254": loopback.ScopeHome, "127.128.0.1": loopback.ScopeLoopback, "fd6c:6f64:6765::7f53:1407": loopback.ScopeHome,
		"0.0.0.0": loopback.ScopeAll, "::": loopback.ScopeAll, "::ffff:0.0.0.0": loopback.ScopeAll,
		"192.168.1.5": loopback.ScopeLAN, "8.8.8.8": loopback.ScopeLAN, "2001:db8::1": loopback.ScopeLAN, "172.17.0.1": loopback.ScopeContainer,
		"169.254.1.1": loopback.ScopeLinkLocal, "fe80::1": loopback.ScopeLinkLocal, "fe80::1%eth0": loopback.ScopeLinkLocal,
		"224.0.0.251": loopback.ScopeMulticast, "ff02::fb": loopback.ScopeMulticast,
	} {
		if got := s.Scope(netip.MustParseAddr(ip)); got != want {
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
	if got := s.Zoned(netip.MustParseAddr("fe80::1"), 2); got.String() != "fe80::1%eth0" {
		t.Error(got)
	}
	if got := s.Zoned(netip.MustParseAddr("fe80::1"), 3); got.String() != "fe80::1%3" {
		t.Error(got)
	}
	if got := s.Zoned(netip.MustParseAddr("10.0.0.1"), 2); got.Zone() != "" {
		t.Error(got)
	}
}

func TestRead(t *testing.T) {
	s, err := Read()
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

func TestParse(t *testing.T) {
	s, err := parse(answer(t, linkBytes+endBytes), answer(t, addrBytes+endBytes))
	if err != nil {
		t.Fatal(err)
	}
	if s.names[1] != "lo" || len(s.names) != 1 || len(s.local) != 1 {
		t.Errorf("got %+v", s)
	}
	if _, ok := s.local[netip.AddrFrom4([4]byte{127, 0, 0, 1})]; !ok {
		t.Errorf("got %+v", s)
	}
	if _, err := parse(answer(t, linkBytes[:60]), nil); err == nil {
		t.Error("cut short: no error")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(answer(f, linkBytes+endBytes), answer(f, addrBytes+endBytes))
	f.Fuzz(func(_ *testing.T, links, addrs []byte) { _, _ = parse(links, addrs) })
}

// endBytes is NLMSG_DONE.
const endBytes = "1400000003000200" + "01000000" + "b11c0000" + "00000000"

func answer(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
