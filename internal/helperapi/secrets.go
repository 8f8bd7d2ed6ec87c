package helperapi

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lodge/internal/fdpass"
)

// SecretKind is a function at whose entry secrets of TLS are taken.
type SecretKind string

// The functions.
const (
	// SecretOpenSSL is EVP_KDF_derive of OpenSSL 3.
	SecretOpenSSL SecretKind = "openssl"
	// SecretGnuTLS is nettle_hkdf_expand of libnettle.so.8, which GnuTLS calls.
	SecretGnuTLS SecretKind = "gnutls"
	// SecretGo is crypto/tls.(*Config).writeKeyLog of Go.
	SecretGo SecretKind = "go"
)

// Function returns the name of the function.
func (k SecretKind) Function() string {
	switch k {
	case SecretOpenSSL:
		return "EVP_KDF_derive"
	case SecretGnuTLS:
		return "nettle_hkdf_expand"
	case SecretGo:
		return "crypto/tls.(*Config).writeKeyLog"
	}
	return ""
}

// SecretsReply describes the ring of a client's secrets. It comes with its descriptor,
// which is named FileRing.
type SecretsReply struct {
	RingBytes int `json:"ring_bytes"`
}

// ProbeRequest asks for a probe at a function of the file whose descriptor comes with the
// request, open for reading.
type ProbeRequest struct {
	Kind SecretKind `json:"kind"`
	// Offset is where the function's first instruction stands in the file.
	Offset uint64 `json:"offset"`
}

// SecretCounts says what became of secrets: Seen is the sum of the others. A secret
// is one derivation, of which a connection has up to five.
type SecretCounts struct {
	// Probes is how many places are probed.
	Probes    int    `json:"probes"`
	Seen      uint64 `json:"seen"`
	Delivered uint64 `json:"delivered"`
	// RingFull and Unreadable are lost: there was no room for them, or they could not
	// be read in the process.
	RingFull   uint64 `json:"lost_ring_full"`
	Unreadable uint64 `json:"lost_unreadable"`
	// NotAllowed are of processes whose secrets the user may not have.
	NotAllowed uint64 `json:"not_allowed"`
}

// Secrets are the probes of a client, which take secrets of TLS. They go on until End, or
// until the client is closed.
type Secrets struct {
	SecretsReply
	client *Client
}

// StartSecrets makes ready to take secrets of TLS, and returns the ring, which the caller
// closes. A client has this once. Nothing is probed yet, but for a process of the
// helper's own: where that does not work, and on kernels that are known not to stand it,
// the error is an [Error] with the code [NoUprobes].
func StartSecrets(ctx context.Context, c *Client) (*Secrets, *os.File, error) {
	const what = "take secrets of TLS"
	rep, g, err := do[SecretsReply](ctx, c, call{
		what: what, op: OpSecrets,
		undo: func(*Reply) { _, _ = (&Secrets{client: c}).End(context.Background()) }, // with the helper gone, so are they
	})
	if err != nil {
		return nil, nil, err
	}
	f, ok := g.TakeOne(FileRing)
	err = g.Close()
	if !ok {
		err = errors.Join(errors.New("the helper's answer has no ring"), err)
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", what, err), fdpass.Close([]*os.File{f}))
	}
	return &Secrets{rep, c}, f, nil
}

// Probe puts a probe at the function of a file, for all processes that map it. The file
// stays the caller's. Where it is not for this user to probe, the error is an [Error] with
// the code [NotProbed].
func (s *Secrets) Probe(ctx context.Context, f *os.File, kind SecretKind, offset uint64) error {
	return s.client.run(ctx, call{what: "probe file", op: OpProbe, args: ProbeRequest{kind, offset}, file: f})
}

// Counts returns what became of the secrets until now.
func (s *Secrets) Counts(ctx context.Context) (SecretCounts, error) {
	return s.counts(ctx, "get counts of secrets", OpSecretCounts)
}

// End takes all probes out, and returns what became of all secrets.
func (s *Secrets) End(ctx context.Context) (SecretCounts, error) {
	return s.counts(ctx, "take probes out", OpEndSecrets)
}

func (s *Secrets) counts(ctx context.Context, what, op string) (SecretCounts, error) {
	c, g, err := do[SecretCounts](ctx, s.client, call{what: what, op: op})
	return c, errors.Join(err, g.Close())
}
