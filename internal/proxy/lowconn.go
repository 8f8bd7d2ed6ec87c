package proxy

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// lowConn is a client's connection as it was accepted: what is below TLS.
type lowConn struct {
	net.Conn
	raw syscall.RawConn

	free    func() // called once, when it is closed
	once    sync.Once
	client  client
	in      entry
	account *account // of the client, where it was asked for
	instant bool     // Read does not wait

	buffers *buffers
	mu      sync.Mutex // guards held; Read of TLS may write alerts
	held    *[]byte    // where what is written is collected; nil: it is written at once
}

func newLowConn(c net.Conn, b *buffers, free func()) (*lowConn, error) {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil, errors.New("take connection: it is no socket")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &lowConn{Conn: c, raw: raw, buffers: b, free: free}, nil
}

// Close closes the connection and gives its slot back.
func (l *lowConn) Close() error {
	err := l.Conn.Close()
	l.once.Do(l.free)
	return err
}

// CloseWrite ends the sending side.
func (l *lowConn) CloseWrite() error {
	if w, ok := l.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Write collects after collect: TLS writes each record by itself.
func (l *lowConn) Write(b []byte) (int, error) {
	l.mu.Lock()
	if l.held != nil {
		*l.held = append(*l.held, b...)
		l.mu.Unlock()
		return len(b), nil
	}
	l.mu.Unlock()
	return l.Conn.Write(b)
}

// Read waits for something to read, unless instant is on: then it gives
// errNothing where there is nothing.
func (l *lowConn) Read(b []byte) (int, error) {
	if !l.instant {
		return l.Conn.Read(b)
	}
	return readInstant(l.raw, b)
}

// collect begins to hold back what is written.
func (l *lowConn) collect() {
	l.mu.Lock()
	if l.held == nil {
		l.held = l.buffers.collected()
	}
	l.mu.Unlock()
}

// flush writes what was held back.
func (l *lowConn) flush() error {
	l.mu.Lock()
	held := l.held
	l.held = nil
	l.mu.Unlock()
	if held == nil {
		return nil
	}
	_, err := l.Conn.Write(*held)
	l.buffers.putCollected(held)
	return err
}

// errNothing says that there is nothing to read now. To crypto/tls it is a
// timeout, after which reading may go on.
var errNothing net.Error = nothing{}

type nothing struct{}

func (nothing) Error() string   { return "nothing to read now" }
func (nothing) Timeout() bool   { return true }
func (nothing) Temporary() bool { return true }

// readInstant reads without waiting.
func readInstant(raw syscall.RawConn, b []byte) (int, error) {
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
		return 0, errNothing
	case rerr != nil:
		return 0, rerr
	case n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return n, nil
}

// firstByte waits for the first byte that the client sends, and leaves it
// there.
func firstByte(raw syscall.RawConn) (byte, error) {
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

// clientGone reports whether the client has closed its connection, or its side of
// it (POLLRDHUP, poll(2)).
func clientGone(raw syscall.RawConn) bool {
	gone := false
	err := raw.Control(func(fd uintptr) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(p, 0)
		gone = err == nil && n > 0
	})
	return gone || err != nil
}
