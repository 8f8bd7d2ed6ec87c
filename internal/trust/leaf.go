package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// leafLife is how long a leaf is valid.
	leafLife = 3 * 24 * time.Hour
	// leafRenew is how much of that is left when a handshake makes a new one.
	leafRenew = leafLife / 2
	// maxLeaves bounds how many are kept.
	maxLeaves = 4096
)

// Leaves gives certificates for names that are registered, and makes them when
// a client asks. They and their keys are only in memory. It is safe for use by
// many goroutines; a handshake for a name that was asked for before takes no
// lock.
type Leaves struct {
	authority  *Authority
	registered func(name string) bool

	cache sync.Map   // name to *leaf
	mu    sync.Mutex // guards count, and is held while a leaf is made, so that a name's is made once
	count int
}

type leaf struct {
	cert    *tls.Certificate
	from    int64        // Unix seconds
	renewAt int64        // Unix seconds
	of      *material    // what signed it
	used    atomic.Int64 // Unix seconds
}

// Leaves returns the certificates for the names that registered accepts. It is
// called at every full handshake with the name in lower case and must be
// quick; a name that it no longer accepts gets no certificate from then on.
func (a *Authority) Leaves(registered func(name string) bool) *Leaves {
	return &Leaves{authority: a, registered: registered}
}

// TLSConfig returns a server's configuration: the leaves, TLS 1.2 or later, and
// the application protocols, best first, such as "h2" and "http/1.1". Session
// tickets are as crypto/tls has them. A resumed session is not asked for its
// name again, so what serves requests must check their Host.
func (l *Leaves) TLSConfig(protocols ...string) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     slices.Clone(protocols),
		GetCertificate: l.GetCertificate,
	}
}

// GetCertificate is for tls.Config. A client that names no server, or one that
// is not registered, gets neither certificate nor error: crypto/tls then
// refuses it with the alert unrecognized_name (RFC 6066, section 3), if the
// configuration has no other certificate. An error would be internal_error.
func (l *Leaves) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(hello.ServerName)
	if !Covers(name) || !l.registered(name) {
		return nil, nil
	}
	m, now := l.authority.material(), l.authority.now().Unix()
	if v, ok := l.cache.Load(name); ok {
		if f := v.(*leaf); f.good(m, now) {
			if f.used.Load() != now {
				f.used.Store(now)
			}
			return f.cert, nil
		}
	}
	return l.make(name)
}

// good reports whether the leaf can be given at this time.
func (f *leaf) good(m *material, now int64) bool {
	return f.of == m && f.from <= now && now < f.renewAt
}

func (l *Leaves) make(name string) (*tls.Certificate, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, now := l.authority.material(), l.authority.now()
	v, known := l.cache.Load(name)
	if known {
		if f := v.(*leaf); f.good(m, now.Unix()) {
			return f.cert, nil
		}
	}
	f, err := newLeaf(m, name, now)
	if err != nil {
		return nil, fmt.Errorf("make certificate for %s: %w", name, err)
	}
	if !known {
		if l.count >= maxLeaves {
			l.drop()
		}
		l.count++
	}
	l.cache.Store(name, f)
	return f.cert, nil
}

// drop forgets a quarter of the leaves: those that were not used for longest.
// Call it with mu held.
func (l *Leaves) drop() {
	type use struct {
		name string
		at   int64
	}
	var all []use
	l.cache.Range(func(k, v any) bool {
		all = append(all, use{k.(string), v.(*leaf).used.Load()})
		return true
	})
	slices.SortFunc(all, func(a, b use) int { return int(a.at - b.at) })
	for _, u := range all[:(len(all)+3)/4] {
		l.cache.Delete(u.name)
		l.count--
	}
}

// newLeaf makes a certificate for one exact name and nothing else.
func newLeaf(m *material, name string, now time.Time) (*leaf, error) {
	if now.After(m.signer.NotAfter) {
		return nil, fmt.Errorf("the authority expired on %s", m.signer.NotAfter.Format(time.DateOnly))
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	t := &x509.Certificate{
		SerialNumber: serial(),
		DNSNames:     []string{name},
		NotBefore:    later(now.Add(-leafSkew), m.signer.NotBefore),
		NotAfter:     earlier(now.Add(leafLife), m.signer.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if len(name) <= 64 { // RFC 5280, ub-common-name; it is for people who look at it
		t.Subject = pkix.Name{CommonName: name}
	}
	c, err := sign(t, m.signer, key.Public(), m.key)
	if err != nil {
		return nil, err
	}
	f := &leaf{
		cert: &tls.Certificate{Certificate: [][]byte{c.Raw, m.signer.Raw}, PrivateKey: key, Leaf: c},
		from: min(c.NotBefore.Unix(), now.Unix()), renewAt: c.NotAfter.Add(-leafRenew).Unix(), of: m,
	}
	if left := c.NotAfter.Sub(now); left <= leafRenew { // the signer ends soon, and no leaf outlives it
		f.renewAt = c.NotAfter.Unix()
	}
	f.used.Store(now.Unix())
	return f, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Covers reports whether the authority may sign for a name: localhost, test,
// or below one of them, in lower case, as a host name (RFC 1123, section 2.1;
// an underscore is allowed too). A wildcard is no such name.
func Covers(name string) bool {
	if len(name) > 253 {
		return false
	}
	top := name[strings.LastIndexByte(name, '.')+1:]
	if !slices.Contains(domains(), top) {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}
