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
	// Refused: the port answered with a reset, or with an error of ICMP, since nothing
	// listens there.
	Refused Failure = "refused"
	// Unanswered: no answer to the SYN was seen; of a Unix socket, that the listener did
	// not accept it until the end of the tap.
	Unanswered Failure = "unanswered"
	// Absent, Denied and Failed are of Unix sockets: no file has the path, the process may
	// not connect to it, or there was another reason. Refused: nothing listens there.
	Absent Failure = "absent"
	Denied Failure = "denied"
	// Full: as many connections as the listener keeps for itself wait to be accepted by it,
	// and the program does not wait (EAGAIN).
	Full   Failure = "full"
	Failed Failure = "failed"
)

// Errors of Linux, as x86-64 and arm64 have them (include/uapi/asm-generic/errno.h).
const (
	errPermission = 1   // EPERM
	errNoFile     = 2   // ENOENT
	errAgain      = 11  // EAGAIN
	errAccess     = 13  // EACCES
	errNoDir      = 20  // ENOTDIR
	errRefused    = 111 // ECONNREFUSED
	errInProgress = 115 // EINPROGRESS: it was not over
)

// FailureOf returns the failure of a connect(2) to a Unix socket (unix(7)), by its errno.
func FailureOf(errno uint16) Failure {
	switch errno {
	case errRefused:
		return Refused
	case errNoFile, errNoDir:
		return Absent
	case errAccess, errPermission:
		return Denied
	case errAgain:
		return Full
	case errInProgress:
		return Unanswered
	}
	return Failed
}

// End is one end of a connection.
type End struct {
	// Address is not valid where the end is a Unix socket.
	Address netip.AddrPort
	// Path is that of a Unix socket, with @ before an abstract name; "" where it has none,
	// as clients' sockets.
	Path string
	// Processes are all that are known to use the socket: first the ones that
	// sent its bytes, then others that hold it. Empty: not known.
	Processes []model.Process
	// Source is how the processes are known.
	Source Source
	// Project and Service are lodge's, "" where the process is of none.
	Project, Service string
	// Container is its container's name or id.
	Container string
	// Behind is where the process hands its connections on, nil where it is no proxy
	// of published ports.
	Behind *Behind
}

// Behind is the end behind a proxy of a container's published ports: client, proxy and
// this are one chain.
type Behind struct {
	Address netip.AddrPort
	// Processes listen there, in the container's network namespace. Empty: not known.
	Processes []model.Process
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

// Add counts a record and its ends.
func (r *Records) Add(x *Record) {
	ends := []*End{&x.Client, &x.Server}
	switch e := x.Exchange; {
	case e == nil:
		r.Failures++
		ends = ends[:1] // there is no process at the other
	default:
		r.Exchanges++
		if e.Request.Incomplete || e.Response.Incomplete {
			r.Incomplete++
		}
	}
	for _, end := range ends {
		r.Ends++
		if end.Known() {
			r.Attributed++
		}
	}
}

// At returns the end's address as text: 127.0.0.1:5432, unix:/run/x.sock, or unix where a
// Unix socket has no path.
func (e *End) At() string {
	switch {
	case e.Path != "":
		return "unix:" + e.Path
	case !e.Address.IsValid():
		return "unix"
	}
	return e.Address.String()
}

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
