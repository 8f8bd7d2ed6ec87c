package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func get(t *testing.T, l *Leaves, name string) *tls.Certificate {
	t.Helper()
	c, err := l.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
	if err != nil || c == nil {
		t.Fatalf("%s: %v, %v", name, c, err)
	}
	return c
}

// shake makes a handshake over a pipe and gives what the client says.
func shake(t *testing.T, server *tls.Config, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		s := tls.Server(a, server)
		_ = s.HandshakeContext(t.Context())
		_ = a.Close()
	})
	c := tls.Client(b, client)
	err := c.HandshakeContext(t.Context())
	state := c.ConnectionState()
	_ = b.Close()
	wg.Wait()
	return state, err
}

func TestHandshake(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "trust"), nil)
	roots := x509.NewCertPool()
	roots.AddCert(a.Root())
	registered := map[string]bool{"web.shop.localhost": true, "db.shop.test": true, "localhost": true, "example.com": true, "*.shop.localhost": true}
	var mu sync.Mutex
	config := a.Leaves(func(name string) bool { mu.Lock(); defer mu.Unlock(); return registered[name] }).TLSConfig("h2", "http/1.1")

	for _, c := range []struct{ name, protocol string }{{"web.shop.localhost", "h2"}, {"WEB.shop.LOCALHOST", "http/1.1"}, {"db.shop.test", ""}, {"localhost", "h2"}} {
		client := &tls.Config{RootCAs: roots, ServerName: c.name}
		if c.protocol != "" {
			client.NextProtos = []string{c.protocol}
		}
		state, err := shake(t, config, client)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		leaf := state.PeerCertificates[0]
		if len(state.PeerCertificates) != 2 || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != strings.ToLower(c.name) || len(leaf.IPAddresses) > 0 {
			t.Errorf("%s: %d certificates, names %v", c.name, len(state.PeerCertificates), leaf.DNSNames)
		}
		if life := leaf.NotAfter.Sub(leaf.NotBefore); life > 7*24*time.Hour {
			t.Errorf("%s: valid for %s", c.name, life)
		}
		if state.NegotiatedProtocol != c.protocol {
			t.Errorf("%s: protocol %q", c.name, state.NegotiatedProtocol)
		}
	}

	for _, name := range []string{"", "api.shop.localhost", "example.com", "*.shop.localhost", "127.0.0.1", "web.shop.localhost.example.com"} {
		_, err := shake(t, config, &tls.Config{RootCAs: roots, ServerName: name, InsecureSkipVerify: true})
		var op *net.OpError
		if !errors.As(err, &op) || op.Err.Error() != "tls: unrecognized name" {
			t.Errorf("%q: got %v", name, err)
		}
	}

	mu.Lock()
	delete(registered, "web.shop.localhost")
	mu.Unlock()
	if _, err := shake(t, config, &tls.Config{RootCAs: roots, ServerName: "web.shop.localhost"}); err == nil {
		t.Error("a name that is gone has a certificate")
	}
}

func TestRenewedInUse(t *testing.T) {
	now := time.Now()
	a := open(t, filepath.Join(t.TempDir(), "trust"), func() time.Time { return now })
	l := a.Leaves(func(string) bool { return true })
	first := get(t, l, "localhost")
	if get(t, l, "localhost") != first {
		t.Error("made twice")
	}
	now = now.Add(leafLife - leafRenew - time.Minute)
	if get(t, l, "localhost") != first {
		t.Error("renewed too early")
	}
	now = now.Add(2 * time.Minute)
	second := get(t, l, "localhost")
	if second == first || !second.Leaf.NotAfter.After(first.Leaf.NotAfter) {
		t.Error("not renewed")
	}
	now = now.Add(-leafRenew) // the clock is set back to before it is valid
	third := get(t, l, "localhost")
	if third == second || third.Leaf.NotBefore.After(now) {
		t.Error("not valid at this time")
	}
}

func TestMadeOnce(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "trust"), nil)
	l := a.Leaves(func(string) bool { return true })
	got := make([]*tls.Certificate, 64)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			got[i], _ = l.GetCertificate(&tls.ClientHelloInfo{ServerName: fmt.Sprintf("n%d.localhost", i%4)})
		})
	}
	wg.Wait()
	for i, c := range got {
		if c == nil || c != got[i%4] {
			t.Fatalf("%d has another", i)
		}
	}
}

func TestBounded(t *testing.T) {
	now := time.Now()
	a := open(t, filepath.Join(t.TempDir(), "trust"), func() time.Time { return now })
	l := a.Leaves(func(string) bool { return true })
	kept := get(t, l, "kept.localhost")
	for i := range maxLeaves + maxLeaves/4 {
		get(t, l, fmt.Sprintf("n%d.localhost", i))
		if i%64 == 0 {
			now = now.Add(time.Second)
			get(t, l, "kept.localhost")
		}
	}
	n := 0
	l.cache.Range(func(_, _ any) bool { n++; return true })
	if n > maxLeaves || n != l.count {
		t.Errorf("%d are kept, counted %d", n, l.count)
	}
	if get(t, l, "kept.localhost") != kept {
		t.Error("one that is in use was dropped")
	}
}

func TestCovers(t *testing.T) {
	long := strings.Repeat("a", 63)
	for name, want := range map[string]bool{
		"localhost": true, "test": true, "web.shop.localhost": true, "db.shop.test": true, "my_app.x-1.localhost": true, "xn--bcher-kva.localhost": true,
		long + ".localhost": true, "a" + long + ".localhost": false, strings.Repeat(long+".", 4) + "test": false,
		"": false, "example.com": false, "localhost.example.com": false, "xlocalhost": false, "latest": false, ".localhost": false, "a..localhost": false,
		"localhost.": false, "*.localhost": false, "-a.localhost": false, "a-.localhost": false, "Web.localhost": false, "bücher.localhost": false,
		"a b.localhost": false, "a\x00.localhost": false, "127.0.0.1": false, "::1": false, "[::1]": false, "a/b.test": false,
	} {
		if Covers(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func BenchmarkGetCertificate(b *testing.B) {
	a, err := Open(Options{Dir: filepath.Join(b.TempDir(), "trust")})
	if err != nil {
		b.Fatal(err)
	}
	l := a.Leaves(func(string) bool { return true })
	hello := &tls.ClientHelloInfo{ServerName: "web.shop.localhost"}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if c, err := l.GetCertificate(hello); c == nil || err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkNewLeaf(b *testing.B) {
	a, err := Open(Options{Dir: filepath.Join(b.TempDir(), "trust")})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := newLeaf(a.material(), "web.shop.localhost", time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
