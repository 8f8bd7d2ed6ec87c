package trust

import (
	"strings"
	"testing"
	"time"
)

// FuzzDecode holds that what is taken as an authority is constrained, and that
// it comes out as it went in.
func FuzzDecode(f *testing.F) {
	m, err := makeMaterial("ann@host", "0123456789abcdef", time.Unix(1.8e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	whole, err := m.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			return
		}
		if constrained(m.root) != nil || constrained(m.signer) != nil {
			t.Error("not constrained")
		}
		if _, err := m.encode(); err != nil {
			t.Error(err)
		}
	})
}

func FuzzCovers(f *testing.F) {
	for _, s := range []string{"web.shop.localhost", "a..test", "*.localhost", "localhost.", "-.test"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !Covers(name) {
			return
		}
		if name != "localhost" && name != "test" && !strings.HasSuffix(name, ".localhost") && !strings.HasSuffix(name, ".test") {
			t.Errorf("%q", name)
		}
		if strings.ToLower(name) != name || strings.ContainsAny(name, "*/: \x00\\") {
			t.Errorf("%q", name)
		}
	})
}
