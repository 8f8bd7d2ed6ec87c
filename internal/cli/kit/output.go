package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Results is standard output that remembers its first error: a result that
// could not be printed is no success.
type Results struct {
	W   io.Writer
	err error
}

// Write implements [io.Writer].
func (r *Results) Write(p []byte) (int, error) {
	n, err := r.W.Write(p)
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

// Failed returns the first error of writing, except that the reader has gone.
func (r *Results) Failed() error { return Printed(r.err) }

// Printed returns the error of printing. That the reader has gone is its
// choice, and no failure.
func Printed(err error) error {
	if err == nil || errors.Is(err, unix.EPIPE) {
		return nil
	}
	return fmt.Errorf("print: %w", err)
}

// UntilReaderGone returns a context that ends, too, when out has no reader any
// more, as in `lodge logs -f | head -1`: the next write, which would fail, may not
// come for hours. The caller calls stop.
func UntilReaderGone(ctx context.Context, out *os.File) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancel(ctx)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return reading, cancel // the next write fails
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer cancel()
		fds := []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}, {Fd: int32(out.Fd())}} // POLLERR and POLLHUP come unasked
		for {
			if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return reading, func() {
		cancel()
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd takes it
		<-ended
		_ = unix.Close(wake) // nothing is lost
	}
}

// UntilRead returns the outcome of a stream: that it was interrupted, or that its
// reader has gone, is no error.
func UntilRead(reading context.Context, err error) error {
	if reading.Err() != nil || errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}
