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
	// Waiting has the connections that wait for keys; nil: each waits until it ends.
	Waiting *Waiting
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
