package decode

// Limits bound what is kept of one connection.
type Limits struct {
	// Body is how many bytes of each message's body are kept, 0 none.
	Body int
	// Message is how many bytes of one message a decoder holds to understand it
	// (a header block, a statement). What is longer is skipped, and counted.
	Message int
	// Pending is how many requests of one connection may wait for their response;
	// the oldest are emitted without one when there are more.
	Pending int
	// Statements is how many prepared statements, cursors or header-table entries
	// of one connection are remembered; the oldest are forgotten first.
	Statements int
}

// DefaultLimits are for a live view.
func DefaultLimits() Limits {
	return Limits{Body: 64 << 10, Message: 256 << 10, Pending: 1024, Statements: 1024}
}

// Masked stands in the place of a secret: a password, a cookie, a token.
const Masked = "•••"

// Options are what a decoder is told about one connection.
type Options struct {
	Limits Limits
	// Secrets keeps values of secrets, which are otherwise [Masked].
	Secrets bool
	// Midstream reports that the begin of the connection was not seen: what a
	// decoder knows of its state is less than the two ends know.
	Midstream bool
	// Datagram reports that the connection is an exchange of datagrams between two
	// addresses, as with UDP: each call of [Decoder.Data] has one of them, whole.
	Datagram bool
}
