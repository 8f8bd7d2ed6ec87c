package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"lodge/internal/proxy/policy"
)

// Error is a service that did not do its part.
type Error struct {
	To    policy.Endpoint
	What  string // "connect to", "send to"; all that there is to say without a cause
	Cause error
}

func (e *Error) Error() string {
	c := e.Cause
	if c == nil {
		return e.What
	}
	var op *net.OpError
	if errors.As(c, &op) {
		c = op.Err // without the addresses, of which one is said below
	}
	if errors.Is(c, io.EOF) || errors.Is(c, io.ErrUnexpectedEOF) {
		return fmt.Sprintf("%s %s: it closed the connection without an answer", e.What, e.To)
	}
	// The first bytes of an answer in HTTP/1 would be a frame of more than 4 MB.
	// net/http keeps the error's value to itself.
	if strings.Contains(c.Error(), "http2: frame too large") {
		return fmt.Sprintf("%s %s: it answered, but not in HTTP/2", e.What, e.To)
	}
	// It had ended before the request was sent; which of both it was is not told.
	if strings.Contains(c.Error(), "http2: client conn could not be established") {
		return fmt.Sprintf("%s %s: it answered, but not in HTTP/2, or closed the connection at once", e.What, e.To)
	}
	return fmt.Sprintf("%s %s: %v", e.What, e.To, c)
}

func (e *Error) Unwrap() error { return e.Cause }

// Refused reports whether nothing listened at the endpoint, or stopped to listen
// while the connection waited to be accepted.
func (e *Error) Refused() bool {
	return errors.Is(e.Cause, syscall.ECONNREFUSED) || errors.Is(e.Cause, syscall.ENOENT) || errors.Is(e.Cause, syscall.ECONNRESET)
}

// Closed reports whether an error means that the other side has closed.
func Closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
