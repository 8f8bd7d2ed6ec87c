package netif

import (
	"net/netip"
	"testing"
)

// What a sandbox leaves of the interfaces is what netlink tells.
func TestInterfacesWithoutNetlink(t *testing.T) {
	want, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	got, err := readWithoutNetlink()
	if err != nil {
		t.Fatal(err)
	}
	for ip, bridge := range want.local {
		if b, ok := got.local[ip]; !ok || b != bridge {
			t.Errorf("%v: %v %v, by netlink %v", ip, b, ok, bridge)
		}
	}
	if len(got.local) < len(want.local) || len(want.local) == 0 {
		t.Errorf("%v, by netlink %v", got.local, want.local)
	}
	names, err := Interfaces()
	if err != nil || names[netip.AddrFrom4([4]byte{127, 0, 0, 1})] != "lo" {
		t.Errorf("%v, %v", names, err)
	}
}

func FuzzParseIfInet6(f *testing.F) {
	f.Add([]byte("00000000000000000000000000000001 01 80 10 80       lo\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		if ip, _, name, err := parseIfInet6(line); err == nil && (!ip.Is6() || name == "") {
			t.Errorf("%q: %v %q", line, ip, name)
		}
	})
}
