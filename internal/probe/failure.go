package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"lodge/internal/probe/answer"
)

// errBad marks an answer that is not what the mode expects.
type errBad struct {
	kind answer.Failure
	text string
}

func (e *errBad) Error() string { return e.text }

// failureOf tells the kind of an error from its cause. The errors of connect
// are those of connect(2) on Linux.
func failureOf(err error) answer.Failure {
	var bad *errBad
	var alert tls.AlertError
	var record tls.RecordHeaderError
	var ne net.Error
	switch {
	case errors.As(err, &bad):
		return bad.kind
	case errors.Is(err, syscall.ECONNREFUSED):
		return answer.Refused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return answer.Reset
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return answer.NoLocalPort
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return answer.TooManyFiles
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EAFNOSUPPORT):
		return answer.Unreachable
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return answer.Denied
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return answer.Timeout
	case errors.As(err, &ne) && ne.Timeout():
		return answer.Timeout
	case errors.As(err, &alert), errors.As(err, &record):
		return answer.TLSFailed
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return answer.ClosedEarly
	}
	return answer.Other
}
