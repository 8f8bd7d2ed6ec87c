package trust

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"strings"
	"time"
	"unicode/utf8"
)

// Marker is the organization in the subject of every authority of lodge's, of
// any user.
const Marker = "lodge development authority"

const (
	// authorityLife is how long root and signer are valid. What browsers limit
	// is the life of leaves; those of roots that a user installed are free.
	authorityLife = 10 * 365 * 24 * time.Hour
	// How far the authority's certificates and leaves reach back, for clocks
	// that are behind.
	authoritySkew = 24 * time.Hour
	leafSkew      = time.Hour
)

// material is an authority's certificates and its key.
type material struct {
	root   *x509.Certificate
	signer *x509.Certificate
	key    *ecdsa.PrivateKey // signer's
}

// makeMaterial makes an authority for the owner, such as "ann@host", with the
// mark id. The root's key is gone when it returns.
func makeMaterial(owner, id string, now time.Time) (*material, error) {
	tag := make([]byte, 4)
	_, _ = rand.Read(tag) // never fails: crypto/rand ends the program instead
	// A common name has at most 64 characters (RFC 5280, ub-common-name).
	name := "lodge " + cut(owner, 40) + " " + hex.EncodeToString(tag)

	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	rootTemplate := authorityTemplate(name, id, 1, now)
	root, err := sign(rootTemplate, rootTemplate, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	signer, err := sign(authorityTemplate(name+" signer", id, 0, now), root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	return &material{root: root, signer: signer, key: key}, nil
}

// authorityTemplate is a certificate that may sign for servers below localhost
// and test, and for nothing else. pathLen is how many authorities may follow.
//
// An address is kept out by excluding all of them; a mail address or a URI by
// permitting only a host that cannot be, since verifiers differ on how to
// exclude everything. A constraint on directory names would be of use, but Go
// refuses a certificate that has one, and NSS one that excludes all.
func authorityTemplate(name, id string, pathLen int, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber:          serial(),
		Subject:               pkix.Name{Organization: []string{Marker}, OrganizationalUnit: []string{id}, CommonName: name},
		NotBefore:             now.Add(-authoritySkew),
		NotAfter:              now.Add(authorityLife),
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            pathLen,
		MaxPathLenZero:        pathLen == 0,
		KeyUsage:              x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},

		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         domains(),
		PermittedEmailAddresses:     []string{"lodge.invalid"},
		PermittedURIDomains:         []string{"lodge.invalid"},
		ExcludedIPRanges:            allAddresses(),
	}
}

// domains returns what the authority may sign: these names and all below them.
func domains() []string { return []string{"localhost", "test"} }

// allAddresses returns 0.0.0.0/0 and ::/0.
func allAddresses() []*net.IPNet {
	return []*net.IPNet{
		{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
		{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
	}
}

func serial() *big.Int {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	b[0] = b[0]&0x7f | 0x40 // positive, and no leading zero (RFC 5280, section 4.1.2.2)
	return new(big.Int).SetBytes(b)
}

func sign(template, parent *x509.Certificate, pub crypto.PublicKey, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read own certificate: %w", err)
	}
	return c, nil
}

// cut returns at most n bytes of s that are printable ASCII, which every reader
// of a subject shows in the same way.
func cut(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < '!' || r >= utf8.RuneSelf || r == 0x7f || strings.ContainsRune(`"\,+<>;=/`, r) {
			return '-'
		}
		return r
	}, s)
	return s[:min(len(s), n)]
}
