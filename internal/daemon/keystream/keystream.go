// Package keystream tells those who tap this machine the keys of the daemon's own TLS
// connections, in lines as SSLKEYLOGFILE has them (RFC 9850): of those that browsers and
// other clients make to the names' proxy, and that the proxy makes to services. While
// nobody reads them, nothing is kept.
package keystream

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/api"
	"lodge/internal/localapi"
)

// maxReaders is how many may read at once.
const maxReaders = 16

// Stream hands lines to readers. The zero Stream has none. It is an [io.Writer] for
// crypto/tls.Config.KeyLogWriter, and an [http.Handler] for its readers.
type Stream struct {
	any     atomic.Bool // there are readers
	mu      sync.Mutex  // guards what follows
	readers []*reader
	closed  bool
	serving sync.WaitGroup
}

// reader is the connection of one.
type reader struct {
	conn io.Closer
	raw  syscall.RawConn
}

// Write gives a line to all readers. It is in their sockets when Write returns, before
// anything is sent with these keys; so a reader that knows of the latter finds it there.
// A handshake waits for no reader: one whose socket is full is let go of. Write returns
// no error, which would end the handshake.
func (s *Stream) Write(line []byte) (int, error) {
	if !s.any.Load() {
		return len(line), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(r *reader) bool {
		if r.send(line) {
			return false
		}
		_ = r.conn.Close() // its reader learns it at its end
		return true
	})
	s.any.Store(len(s.readers) > 0)
	return len(line), nil
}

// send writes without waiting, and reports whether all was written.
func (r *reader) send(b []byte) bool {
	whole := false
	err := r.raw.Write(func(fd uintptr) bool {
		n, err := unix.Write(int(fd), b)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Write(int(fd), b)
		}
		whole = err == nil && n == len(b)
		return true
	})
	return err == nil && whole
}

// ServeHTTP answers with the lines from now on, until the client goes or [Stream.Close].
func (s *Stream) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		api.Refuse(w, http.StatusServiceUnavailable, errors.New("read keys: the daemon ends"))
		return
	case len(s.readers) >= maxReaders:
		s.mu.Unlock()
		api.Refuse(w, http.StatusTooManyRequests, &localapi.Error{Message: "read keys: too many read them already", Hint: "end another lodge tap"})
		return
	}
	s.serving.Add(1) // before Close waits
	s.mu.Unlock()
	defer s.serving.Done()
	// As bytes of the connection itself: a line is written or not, and is not held in a
	// buffer of the server's.
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		api.Refuse(w, http.StatusInternalServerError, err)
		return
	}
	defer conn.Close()
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	r := &reader{conn: conn}
	if r.raw, err = sc.SyscallConn(); err != nil {
		return
	}
	_ = conn.SetDeadline(time.Time{})
	if !s.add(r) {
		return
	}
	// A reader sends nothing more: this is its end.
	_, _ = io.Copy(io.Discard, conn)
	s.drop(r)
}

// head is the head of the answer; its body ends with the connection.
const head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"

func (s *Stream) add(r *reader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !r.send([]byte(head)) {
		return false
	}
	s.readers = append(s.readers, r)
	s.any.Store(true)
	return true
}

func (s *Stream) drop(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(o *reader) bool { return o == r })
	s.any.Store(len(s.readers) > 0)
}

// Close ends the answers.
func (s *Stream) Close() {
	s.mu.Lock()
	s.closed = true
	for _, r := range s.readers {
		_ = r.conn.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}
