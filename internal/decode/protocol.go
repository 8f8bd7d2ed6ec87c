package decode

// Verdict is what a detector says of the first bytes of a connection.
type Verdict uint8

// The verdicts.
const (
	No    Verdict = iota // it is not this protocol
	Maybe                // it may be: more bytes are needed
	Yes                  // it is
)

// Prefix has what is known of a connection when its protocol is looked for.
type Prefix struct {
	// Bytes are the first ones of each side, at most [PrefixBytes] of each. In the
	// middle of a connection they begin anywhere in a message.
	Bytes [2][]byte
	// Midstream reports that they are not the connection's first ones, or that
	// this is not known.
	Midstream bool
	// Ended reports that no more will come from a side.
	Ended [2]bool
}

// PrefixBytes is how many bytes of each side a detector gets to see.
const PrefixBytes = 4096

// Protocol is one protocol that can be recognised and decoded.
type Protocol struct {
	// Name is lower case: "http", "postgresql".
	Name string
	// Datagram reports that the messages are datagrams. Such a protocol is looked for
	// where [Options.Datagram] is set and nowhere else; what uses streams as well is
	// two protocols of one name. The first datagram alone must be enough for Detect.
	Datagram bool
	// Detect judges the first bytes of a connection. It must not say Yes to bytes
	// that another protocol may begin with, and says No as soon as it can. It is
	// called with at least one byte of one side, again and again as bytes come.
	// Nil: the protocol is only reached by a handoff.
	Detect func(p *Prefix) Verdict
	// New returns a decoder for one connection.
	New func(c *Conn) Decoder
}
