package shim

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"lodge/internal/fdpass"
)

// startLimit is how long the shim may take from one word to the next, in
// seconds: an executable can be on a slow network disk.
const startLimit = 60

// Guide tells the shim at the other end of the socket fd its encoded [Order], hands
// the filter's listener to accept, which owns it then, and waits until the shim has
// become the program. What the shim could not do is an error that holds the errno.
func Guide(fd int, order []byte, accept func(listener int) error) error {
	limit := unix.Timeval{Sec: startLimit}
	err := errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit))
	if err != nil {
		return fmt.Errorf("set time limit: %w", err)
	}
	if err := WriteAll(fd, order); err != nil {
		return fmt.Errorf("tell shim: %w", err)
	}
	first, listener, err := readReply(fd)
	if err != nil {
		return fmt.Errorf("hear shim: %w", err)
	}
	if first.Kind == ReplyError {
		return first.Err()
	}
	if listener < 0 {
		return fmt.Errorf("hear shim: no descriptor came: %w", ErrReply)
	}
	if err := accept(listener); err != nil {
		return err
	}
	last, extra, err := readReply(fd)
	if extra >= 0 {
		_ = unix.Close(extra) // not in the protocol
	}
	switch {
	case errors.Is(err, ErrEnd):
		return nil // exec has closed it
	case err != nil:
		return fmt.Errorf("hear shim: %w", err)
	case last.Kind != ReplyError:
		return fmt.Errorf("hear shim: %w", ErrReply)
	}
	return last.Err()
}

// readReply reads one reply and the descriptor that comes with it, or -1.
func readReply(fd int) (Reply, int, error) {
	b := make([]byte, ReplySize)
	control := make([]byte, unix.CmsgSpace(4))
	var n, nc int
	var err error
	for {
		n, nc, _, _, err = unix.Recvmsg(fd, b, control, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return Reply{}, -1, err
	}
	got := -1
	if fds, err := fdpass.Decode(control[:nc]); err == nil {
		for _, fd := range fds {
			if got >= 0 {
				_ = unix.Close(got) // there is room for two, by alignment
			}
			got = fd
		}
	}
	if n == 0 {
		return Reply{}, got, ErrEnd
	}
	if err := ReadAll(fd, b[n:]); err != nil {
		return Reply{}, got, err
	}
	r, err := DecodeReply(b)
	return r, got, err
}
