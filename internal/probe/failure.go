package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Failure is the kind of a failed connection or exchange.
type Failure string

// The kinds of failures, as --json shows them.
const (
	Refused      Failure = "refused"        // nobody listens (ECONNREFUSED)
	Reset        Failure = "reset"          // the other side reset the connection
	Timeout      Failure = "timeout"        // no answer in time
	NoLocalPort  Failure = "no_local_port"  // this machine's dynamic ports are used up (EADDRNOTAVAIL)
	TooManyFiles Failure = "too_many_files" // this process may open no more (EMFILE, ENFILE)
	ClosedEarly  Failure = "closed_early"   // closed before the answer was whole
	BadStatus    Failure = "bad_status"     // HTTP: a status that was not expected
	BadAnswer    Failure = "bad_answer"     // not the protocol, or not what was sent
	Unreachable  Failure = "unreachable"    // no route, or no such address here
	Denied       Failure = "denied"         // a firewall or a policy said no (EPERM, EACCES)
	TLSFailed    Failure = "tls"            // the handshake failed
	Other        Failure = "other"
)

// errBad marks an answer that is not what the mode expects.
type errBad struct {
	kind Failure
	text string
}

func (e *errBad) Error() string { return e.text }

// failureOf tells the kind of an error from its cause. The errors of connect
// are those of connect(2) on Linux.
func failureOf(err error) Failure {
	var bad *errBad
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var ne net.Error
	switch {
	case errors.As(err, &bad):
		return bad.kind
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Reset
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return NoLocalPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return TooManyFiles
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		return Unreachable
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return Denied
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return Timeout
	case errors.As(err, &ne) && ne.Timeout():
		return Timeout
	case errors.As(err, &alert), errors.As(err, &record):
		return TLSFailed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ClosedEarly
	}
	return Other
}
