package decode

import "time"

// Conn is what a decoder knows of its connection, and where it puts what it
// finds.
type Conn struct {
	Options
	// Facts are what the protocol before this one knew of it, where the connection
	// was handed over: the path and the extensions of a WebSocket.
	Facts   []Field
	emit    func(*Exchange)
	loss    func(Loss)
	handoff *handoff
}

// Loss is what a decoder could not read, and why: nothing is left out in
// silence.
type Loss struct {
	Protocol string
	Side     Side
	Reason   LossReason
	// Bytes were not decoded; -1 where their number is not known.
	Bytes int64
	// At and Data are when they were sent and what they are, valid during the call, where no
	// protocol was recognised.
	At   time.Time
	Data []byte
}

// LossReason is why bytes were not decoded.
type LossReason string

// The reasons.
const (
	LostGap       LossReason = "gap"       // bytes were not captured
	LostMalformed LossReason = "malformed" // they are not what the protocol allows
	LostTooLong   LossReason = "too_long"  // a message is longer than [Limits.Message]
	LostUnknown   LossReason = "unknown"   // no protocol was recognised
	LostState     LossReason = "state"     // they depend on what was sent before the recording began
	LostEncrypted LossReason = "encrypted" // they are encrypted
)

// NewConn returns the connection of a decoder: what it finds goes to emit and,
// what it could not read, to loss, which may be nil.
func NewConn(o Options, emit func(*Exchange), loss func(Loss)) *Conn {
	return &Conn{Options: o, emit: emit, loss: loss}
}

// Emit hands an exchange over. The decoder does not change it afterwards.
func (c *Conn) Emit(e *Exchange) { c.emit(e) }

// Lost counts bytes that were not decoded.
func (c *Conn) Lost(l Loss) {
	if c.loss != nil {
		c.loss(l)
	}
}

type handoff struct {
	protocol string
	rest     [2][]byte
	facts    []Field
}

// Handoff ends the work of a decoder: from here on the connection carries
// another protocol, such as TLS after PostgreSQL's SSLRequest or WebSocket after
// an HTTP upgrade. rest has, for each side, the bytes that the decoder was given
// and that belong to the other protocol. The decoder is called no more. An empty
// protocol means that it is not known which one: it is found by its bytes. facts
// become the [Conn.Facts] of the next decoder.
func (c *Conn) Handoff(protocol string, rest [2][]byte, facts ...Field) {
	h := &handoff{protocol: protocol, facts: facts}
	for s := range rest {
		h.rest[s] = append([]byte(nil), rest[s]...)
	}
	c.handoff = h
}

// Fact returns the first of [Conn.Facts] of a name, or "".
func (c *Conn) Fact(name string) string { return value(c.Facts, name) }

// Secret returns a value, or [Masked] where secrets are not kept.
func (c *Conn) Secret(value string) string {
	if c.Secrets || value == "" {
		return value
	}
	return Masked
}
