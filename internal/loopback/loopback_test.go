package loopback

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func TestHomesAreInTheirRange(t *testing.T) {
	for i := range 5000 {
		for attempt := range 4 {
			ip := HomeFor(fmt.Sprint("/src/", i), attempt)
			last := ip.As4()[3]
			if !HomeRange.Contains(ip) || last == 0 || last == 255 {
				t.Fatalf("%d, %d: %v", i, attempt, ip)
			}
		}
	}
}

// Homes are written down nowhere but in people's heads and bookmarks: another
// version of lodge must give the same.
func TestHomesDoNotChange(t *testing.T) {
	for _, c := range []struct {
		seed    string
		attempt int
		want    string
	}{
		{"", 0, "127.112.196.66"},
		{"/home/ann/src/shop", 0, "127.81.25.2"},
		{"/home/ann/src/shop", 1, "127.90.252.119"},
	} {
		if got := HomeFor(c.seed, c.attempt); got.String() != c.want {
			t.Errorf("%q, %d: got %v, want %s", c.seed, c.attempt, got, c.want)
		}
	}
}

func TestAttemptsDiffer(t *testing.T) {
	seen := make(map[netip.Addr]int)
	for attempt := range 64 {
		ip := HomeFor("/src/shop", attempt)
		if before, ok := seen[ip]; ok {
			t.Errorf("attempts %d and %d both give %v", before, attempt, ip)
		}
		seen[ip] = attempt
	}
}

func TestHome6(t *testing.T) {
	ip := Home6(netip.MustParseAddr("127.83.20.7"))
	if ip != netip.MustParseAddr("fd6c:6f64:6765::7f53:1407") || !Home6Range.Contains(ip) {
		t.Errorf("got %v", ip)
	}
}

func TestIsLocalhost(t *testing.T) {
	for text, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "0.0.0.0": true, "::": true, "::ffff:127.0.0.1": true, "::ffff:0.0.0.0": true,
		"127.0.0.2": false, "127.0.0.53": false, "127.83.20.7": false, "::2": false, "10.0.0.1": false, "fd6c:6f64:6765::1": false,
	} {
		if got := IsLocalhost(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestParse(t *testing.T) {
	for _, e := range []Engine{EBPF, Seccomp, None} {
		if got, err := ParseEngine(string(e)); got != e || err != nil {
			t.Errorf("%s: %v, %v", e, got, err)
		}
	}
	for _, i := range []Isolation{Overlay, Strict} {
		if got, err := ParseIsolation(string(i)); got != i || err != nil {
			t.Errorf("%s: %v, %v", i, got, err)
		}
	}
	for _, bad := range []string{"", "eBPF", "ebpf ", "magic"} {
		if _, err := ParseEngine(bad); err == nil || !strings.Contains(err.Error(), "not one of ebpf, seccomp, none") {
			t.Errorf("engine %q: %v", bad, err)
		}
		if _, err := ParseIsolation(bad); err == nil || !strings.Contains(err.Error(), "not one of overlay, strict") {
			t.Errorf("isolation %q: %v", bad, err)
		}
	}
}

func TestEndpoint(t *testing.T) {
	e := Endpoint{Protocol: TCP, IP: netip.MustParseAddr("127.83.20.7"), Port: 8000, Service: "web", Inode: 7}
	if got := e.String(); got != "tcp 127.83.20.7:8000" {
		t.Error(got)
	}
	b, err := json.Marshal(e)
	if want := `{"protocol":"tcp","ip":"127.83.20.7","port":8000,"service":"web"}`; err != nil || string(b) != want {
		t.Errorf("got %s, %v", b, err)
	}
	if got := (Endpoint{Protocol: UDP, IP: netip.IPv6Loopback(), Port: 53}).String(); got != "udp [::1]:53" {
		t.Error(got)
	}
}
