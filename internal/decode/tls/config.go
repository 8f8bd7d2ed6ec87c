package tls

import (
	"sync/atomic"

	"lodge/internal/decode"
	"lodge/internal/decode/tlskeys"
)

// Config says how connections are decrypted.
type Config struct {
	// Keys finds the secrets of connections. Nil: nothing is decrypted.
	Keys Keys
	// Off, if it is not nil, reports that there are no keys at all and none are waited
	// for: a connection that begins then is not decrypted.
	Off func() bool
	// Bind, if it is not nil, is told which secrets of TLS 1.3 a connection has, by what
	// they are derived from: see [tlskeys.Log.Bind].
	Bind func(r *tlskeys.Random, l tlskeys.Label, transcript []byte)
	// Probed reports that secrets come from elsewhere than a key log, so that what is
	// said of those that are missing names none.
	Probed bool
	// Inside are the protocols that are looked for in what was decrypted.
	Inside []*decode.Protocol
}

// Keys finds the secrets of connections, as a [tlskeys.Log] does.
type Keys interface {
	// Secrets returns what is known by now of the connection with a ClientHello's
	// random, or nil. It is called again when a secret is needed that was not there;
	// the answer is the same [tlskeys.Secrets] then, with more in it.
	Secrets(r *tlskeys.Random) *tlskeys.Secrets
}

// NoKeys is with what it begins, why a connection is not decrypted of which no secret is
// known.
const NoKeys = "no keys for this connection"

// FactInside is the name of the fact ([decode.Conn.Facts]) with which a protocol
// that is handed over to TLS says which one goes on inside: its own.
const FactInside = "inside"

// New returns the protocol with decryption. Its decoders hold a bounded amount of
// records together, while they wait for keys.
func New(c Config) *decode.Protocol {
	if c.Keys == nil {
		return Protocol()
	}
	all := new(atomic.Int64)
	p := Protocol()
	p.New = func(conn *decode.Conn) decode.Decoder {
		d := newDecoder(conn)
		if c.Off == nil || !c.Off() {
			d.crypt = &crypt{d: d, config: &c, all: all}
		}
		return d
	}
	return p
}

// because returns the first text where a key log is all that there is.
func (c *Config) because(ofKeyLog, other string) string {
	if c.Probed {
		return other
	}
	return ofKeyLog
}
