package explain

import (
	"net/netip"
	"strings"
	"testing"

	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
)

// TestTrustHint is given for names of lodge's only.
func TestTrustHint(t *testing.T) {
	for what, want := range map[string]bool{
		"https://web.shop.localhost/: unable to get local issuer certificate": true,
		"https://localhost:3000/: unable to get local issuer certificate":     false,
		"https://example.com/: unable to get local issuer certificate":        false,
		"https://web.shop.localhost/: connection refused":                     false,
	} {
		in, err := input.Parse(what)
		if err != nil {
			t.Fatal(err)
		}
		ip := netip.MustParseAddr("127.0.0.1")
		r := &render.Report{Address: &render.Address{Name: in.Name, IP: &ip}}
		trustHint(r, what)
		if got := len(r.Hints) == 1 && strings.HasPrefix(r.Hints[0], "lodge trust"); got != want {
			t.Errorf("%s (%s): %v", what, in.Name, r.Hints)
		}
	}
}
