package loopback

import (
	"net/netip"
	"testing"
)

func TestBlockOf(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "127.0.0.53": "loopback",
		"127.64.0.1": "lodge's homes, in loopback", "127.127.255.254": "lodge's homes, in loopback", "127.128.0.1": "loopback",
		"::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"0.0.0.0": "unspecified: the wildcard, all addresses", "::": "unspecified: the wildcard, all addresses", "0.1.2.3": "this network",
		"10.1.2.3": "private use", "172.15.0.1": "global unicast", "172.16.0.1": "private use", "172.31.255.255": "private use", "172.32.0.1": "global unicast", "192.168.1.1": "private use",
		"100.64.0.1": "shared address space, of carriers and some VPNs", "169.254.1.1": "link local", "fe80::1%eth0": "link local", "febf::1": "link local", "fec0::1": "reserved",
		"192.0.2.7": "documentation (TEST-NET-1)", "224.0.0.251": "multicast", "255.255.255.255": "limited broadcast", "240.0.0.1": "reserved",
		"8.8.8.8": "global unicast", "2606:4700::1": "global unicast", "2001:db8::1": "documentation", "fd00::1": "unique local", "fd6c:6f64:6765::7f55:1": "lodge's homes, in unique local", "ff02::1": "multicast", "64:ff9b::1": "IPv4 by translation",
	} {
		b := BlockOf(netip.MustParseAddr(in))
		if b.Name != want || b.RFC == "" || b.Reach == "" {
			t.Errorf("%s: %+v, want %s", in, b, want)
		}
	}
	if b := BlockOf(netip.Addr{}); b.Name != "" {
		t.Errorf("the zero address: %+v", b)
	}
	// The ranges that lodge takes homes from are the blocks'.
	if BlockOf(HomeRange.Addr().Next()).Prefix != HomeRange || BlockOf(Home6Range.Addr().Next()).Prefix != Home6Range {
		t.Error("the blocks of homes are not the ranges of homes")
	}
	// An inner block stands before the outer one, or would never be found.
	list := blocks()
	for i, a := range list {
		for _, b := range list[:i] {
			if b.Prefix.Bits() < a.Prefix.Bits() && b.Prefix.Contains(a.Prefix.Addr()) {
				t.Errorf("%v is hidden by %v", a.Prefix, b.Prefix)
			}
		}
	}
}

func TestSpecialNameOf(t *testing.T) {
	for in, want := range map[string]string{
		"localhost": "localhost", "web.shop.localhost": "localhost", "WEB.Localhost.": "localhost", "notlocalhost": "",
		"db.shop.test": "test", "test": "test", "contest": "", "printer.local": "local", "example.com": "example.com", "a.example": "example",
		"x.home.arpa": "home.arpa", "api.internal": "internal", "go.dev": "", "": "",
	} {
		got, ok := SpecialNameOf(in)
		if got.Domain != want || ok != (want != "") {
			t.Errorf("%q: %+v, %v", in, got, ok)
		}
	}
}
