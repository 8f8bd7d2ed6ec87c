// Package drain takes the output of a process out of its pipe or terminal, so
// that the end of the process loses none of it: that a process has ended may be
// known long before its last words were read.
package drain

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// LateWords is how long Finish waits for processes that hold the other end
// after the one that the output is of has ended.
const LateWords = 200 * time.Millisecond

// most bounds, in bytes, what Drain reads beside a process that goes on writing:
// no user's pipe holds more (pipe(7), /proc/sys/fs/pipe-max-size).
const most = 1 << 20

// blindWait bounds, in milliseconds, how long Copy waits at once for a file that
// the runtime cannot wait for: then it looks whether Finish was called.
const blindWait = 100

// Source copies what arrives on one end of a pipe or terminal. Its methods may
// be called from several goroutines. It does not depend on the file's blocking
// mode, which belongs to all that share it, and does not change it.
type Source struct {
	file   *os.File
	conn   syscall.RawConn
	to     io.Writer
	copied chan struct{} // closed when Copy has returned
	stop   atomic.Bool   // Finish has waited long enough

	mu  sync.Mutex // held from a read until what was read is written
	err error      // of to
	buf []byte
}

// New returns a source. Copy must be called, once, and Finish after it; without
// Copy the file stays the caller's.
func New(file *os.File, to io.Writer) (*Source, error) {
	conn, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &Source{file: file, conn: conn, to: to, copied: make(chan struct{}), buf: make([]byte, 32<<10)}, nil
}

// Copy returns nil when no process can write any more or Finish has waited long
// enough, and the error of the writer when that has failed.
func (s *Source) Copy() error {
	defer close(s.copied)
	for ended := false; !ended && !s.stop.Load(); {
		err := s.conn.Read(func(fd uintptr) bool {
			n, err := s.once(int(fd))
			ended = n <= 0 && err != unix.EAGAIN
			return n > 0 || ended
		})
		switch {
		case err == nil:
		case errors.Is(err, os.ErrClosed):
			ended = true
		case !errors.Is(err, os.ErrDeadlineExceeded): // not in the runtime's poller, as a descriptor that was received
			_ = s.conn.Control(func(fd uintptr) { _, _ = readable(int(fd), blindWait) })
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// once moves what is there, at most one buffer. n is 0 at the end, and when the
// writer has failed; EAGAIN: nothing is there now.
func (s *Source) once(fd int) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	for {
		var ok bool
		if ok, err = readable(fd, 0); err == nil && !ok {
			return 0, unix.EAGAIN
		}
		if err == nil {
			n, err = unix.Read(fd, s.buf) // there is no other reader: it does not block
		}
		if err != unix.EINTR {
			break
		}
	}
	if n > 0 {
		if _, s.err = s.to.Write(s.buf[:n]); s.err != nil {
			return 0, s.err
		}
	}
	return n, err
}

// readable reports whether a read returns at once, also with an end or an error.
func readable(fd, milliseconds int) (bool, error) {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, milliseconds)
	return n > 0, err
}

// Drain returns when all that had been written to the other end before the call
// is copied.
func (s *Source) Drain() {
	_ = s.conn.Control(func(fd uintptr) { // an error: the file is closed, after all was copied
		for sum := 0; sum < most; {
			n, err := s.once(int(fd))
			if n <= 0 || err != nil {
				return
			}
			sum += n
		}
	})
}

// Finish copies what is left and closes the file. A process that holds the other
// end still is listened to for LateWords; what it writes later, it is told
// (EPIPE), has no reader.
func (s *Source) Finish() {
	t := time.NewTimer(LateWords)
	defer t.Stop()
	select {
	case <-s.copied:
	case <-t.C:
	}
	s.stop.Store(true)
	_ = s.file.SetReadDeadline(time.Now()) // an error: Copy looks at stop by itself
	<-s.copied
	s.Drain()
	_ = s.file.Close()
}
