package decode

import "time"

// Side is one end of a connection: who sent the bytes.
type Side uint8

// The two sides. The client is the one that opened the connection; where that
// was not seen, [Flow] takes the side as client whose bytes are a request.
const (
	Client Side = iota
	Server
)

// Other returns the other side.
func (s Side) Other() Side { return s ^ 1 }

func (s Side) String() string {
	if s == Client {
		return "client"
	}
	return "server"
}

// End is how a side of a connection ended.
type End uint8

// The ways in which a side ends.
const (
	Closed  End = iota + 1 // it sent all that it had (FIN)
	Reset                  // it broke the connection off (RST)
	Stopped                // the recording ended first, or the connection was forgotten
)

// Idler is a [Decoder] that is told that nothing came for a while, so that it lets go of
// memory which it holds to use it again.
type Idler interface {
	Idle()
}

// Decoder turns the bytes of one connection into exchanges, which it gives to
// the [Conn] that it was made with. It is for one goroutine at a time.
type Decoder interface {
	// Data has the next bytes that a side sent. They are valid during the call.
	Data(s Side, at time.Time, b []byte)
	// Gap reports that n bytes of a side are missing before the next ones, -1
	// where their number is not known. A decoder that cannot find the begin of
	// the next message says so with [Conn.Lost].
	Gap(s Side, at time.Time, n int64)
	// End reports that a side sends no more. After both sides ended, each
	// exchange that has begun has been emitted, as incomplete where it is.
	End(s Side, at time.Time, how End)
}
