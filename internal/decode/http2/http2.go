// Package http2 decodes HTTP/2: RFC 9113 (https://www.rfc-editor.org/rfc/rfc9113),
// HPACK (RFC 7541), extended CONNECT (RFC 8441) and the upgrade from HTTP/1.1
// (RFC 7540, section 3.2).
//
// An exchange is one stream. It has the same form as one of HTTP/1, with Version
// "2" and without the pseudo-header fields among its header: they are Method,
// Target, Host and Code. What streams of one kind carry may be decoded by a
// [Layer], as gRPC's is.
//
// A connection that was joined midstream is read from the first frame that can
// be found. Header fields that refer to an HPACK table entry that was not seen
// are named "(unknown)", and Unknown says why; nothing is guessed.
//
// Frames are read here and not by golang.org/x/net/http2's Framer, which reads
// the stream of its own side from an io.Reader, ends at the first error, holds
// each frame in memory and links net/http and crypto/tls. Its hpack package
// decodes Huffman's code here; its table cannot have entries that are not known.
package http2

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name among those of connections. Its exchanges are of
// the protocol "http", as those of HTTP/1 are.
const Name = "http2"

// Layer decodes what streams of one kind carry.
type Layer interface {
	// Open returns a decoder for a stream, or nil where the stream is not of this
	// kind. It is asked when the header of the request or, where that was not
	// seen, of the response is in the exchange.
	Open(c *decode.Conn, e *decode.Exchange, r *Room) Stream
}

// Room is what is left of the memory that the streams of a connection may hold.
type Room struct{ left int }

// NewRoom returns room for n bytes.
func NewRoom(n int) *Room { return &Room{left: n} }

// Take takes n bytes, and reports whether there was room for them.
func (r *Room) Take(n int) bool {
	if n > r.left {
		return false
	}
	r.left -= n
	return true
}

// Give gives back n bytes.
func (r *Room) Give(n int) { r.left += n }

// Stream decodes the bodies of one stream.
type Stream interface {
	// Data has the next bytes of the body that a side sends. They are valid during
	// the call.
	Data(s decode.Side, at time.Time, b []byte)
	// Gap reports that n bytes of the body are missing; -1 where their number is
	// not known, or where the body's begin was not seen.
	Gap(s decode.Side, at time.Time, n int64)
	// End reports that a side has sent all.
	End(s decode.Side)
	// Finish is called last, before the exchange is emitted. It puts what it knows
	// into the exchange.
	Finish()
}

// Config is what decoders of HTTP/2 use beyond this package.
type Config struct {
	// Layers are asked for each stream, in this order.
	Layers []Layer
	// Tunnels are the protocols of extended CONNECT, by the value of :protocol.
	Tunnels map[string]*decode.Protocol
}

// New returns the protocol.
func New(config Config) *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c, &config) },
	}
}
