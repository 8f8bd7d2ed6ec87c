package tap

import (
	"net/netip"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/model"
)

// Record is one exchange with its two ends; or a connection that could not be
// made, which has no Exchange.
type Record struct {
	// Number counts the records of a run from 1 on; it is 0 where the exchange only
	// begins ([decode.Exchange.Begun]) and comes once more.
	Number uint64
	// Connection is the number of the connection or UDP conversation in the run,
	// from 1 on.
	Connection uint64
	Transport  packet.Protocol
	Client     End
	Server     End
	// Exchange is nil where Failure is set.
	Exchange *decode.Exchange
	// Failure is why there was no connection; "" where there was one.
	Failure Failure
	// Time is when it began: the exchange, or the attempt to connect.
	Time time.Time
}

// Failure is why a connection was not made.
type Failure string

// The failures.
const (
	// Refused: the port answered with a reset, since nothing listens there.
	Refused Failure = "refused"
	// Unanswered: no answer to the SYN was seen.
	Unanswered Failure = "unanswered"
)

// End is one end of a connection.
type End struct {
	Address netip.AddrPort
	// Processes are all that are known to use the socket: first the ones that
	// sent its bytes, then others that hold it. Empty: not known.
	Processes []model.Process
	// Source is how the processes are known.
	Source Source
	// Project and Service are lodge's, "" where the process is of none.
	Project, Service string
	// Container is its container's name or id.
	Container string
}

// Source is how the processes of an end are known, which is also how certain
// they are.
type Source string

// The sources, the most certain first.
const (
	// SourcePacket: the kernel named the process that sent the packets.
	SourcePacket Source = "packet"
	// SourceRelay: the process made the connection, which its home's engine led
	// through the relay.
	SourceRelay Source = "relay"
	// SourceSocket: the process holds the socket, by the live map or /proc.
	SourceSocket Source = "socket"
	// SourceListener: the process listens on the port; the connection itself was
	// not seen in its hands.
	SourceListener Source = "listener"
	// SourceFile: the file that is read names the process.
	SourceFile Source = "file"
)

// Known reports whether a process is known.
func (e *End) Known() bool { return len(e.Processes) > 0 }

// Latency is the time from the first byte of the request to the first byte of
// the response; false where one of them was not seen.
func (r *Record) Latency() (time.Duration, bool) {
	e := r.Exchange
	if e == nil || e.Started.IsZero() || e.Answered.IsZero() {
		return 0, false
	}
	return e.Answered.Sub(e.Started), true
}

// Duration is the time from the first byte of the request to the last byte of
// the response; false where one of them was not seen.
func (r *Record) Duration() (time.Duration, bool) {
	e := r.Exchange
	if e == nil || e.Started.IsZero() || e.Ended.IsZero() || e.Kind == decode.KindMessage {
		return 0, false
	}
	return e.Ended.Sub(e.Started), true
}

// Bytes are all bytes of the exchange on the wire.
func (r *Record) Bytes() int64 {
	if r.Exchange == nil {
		return 0
	}
	return r.Exchange.Request.Bytes + r.Exchange.Response.Bytes
}
