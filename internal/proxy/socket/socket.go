// Package socket does what Go's net has no word for: it reads a socket without
// waiting, looks at what a peer has sent or whether it has gone, and waits for
// a short moment in the system call itself.
package socket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Conn is a connection with its socket.
type Conn struct {
	net.Conn
	Raw syscall.RawConn
	// Instant makes Read return [ErrNothing] where it would wait. It is set before
	// the connection is read by anyone else.
	Instant bool
}

// New returns the socket of a connection.
func New(c net.Conn) (Conn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return Conn{}, errors.New("use connection: it is no socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return Conn{}, fmt.Errorf("use connection: %w", err)
	}
	return Conn{Conn: c, Raw: raw}, nil
}

// Read reads, and waits for it unless Instant is set.
func (c *Conn) Read(b []byte) (int, error) {
	if !c.Instant {
		return c.Conn.Read(b)
	}
	return ReadNow(c.Raw, b)
}

// CloseWrite ends the sending side.
func (c *Conn) CloseWrite() error {
	if w, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ErrNothing says that there is nothing to read now. To crypto/tls it is a
// timeout, after which reading may go on.
var ErrNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing to read now" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// ReadNow reads without waiting. Where there is nothing it returns [ErrNothing].
func ReadNow(raw syscall.RawConn, b []byte) (int, error) {
	var n int
	var rerr error
	err := raw.Read(func(fd uintptr) bool {
		for {
			n, rerr = unix.Read(int(fd), b)
			if rerr != unix.EINTR {
				return true
			}
		}
	})
	switch {
	case err != nil:
		return 0, err
	case rerr == unix.EAGAIN:
		return 0, ErrNothing
	case rerr != nil:
		return 0, rerr
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// FirstByte waits for the first byte that the peer sends, and leaves it there.
func FirstByte(raw syscall.RawConn) (byte, error) {
	var b [1]byte
	var n int
	var rerr error
	err := raw.Read(func(fd uintptr) bool {
		n, _, rerr = unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return rerr != unix.EAGAIN && rerr != unix.EINTR
	})
	switch {
	case err != nil:
		return 0, err
	case rerr != nil:
		return 0, rerr
	case n == 0:
		return 0, io.EOF
	}
	return b[0], nil
}

// Gone reports whether the peer has closed its connection, or its side of it
// (POLLRDHUP, poll(2)).
func Gone(raw syscall.RawConn) bool {
	gone := false
	err := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0
	})
	return gone || err != nil
}

// Quiet reports whether a connection is open and nothing was said on it.
func Quiet(fd uintptr) bool {
	var b [1]byte
	// Neither waits nor allocates, as unix.Recvfrom does.
	_, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return err == unix.EAGAIN
}
