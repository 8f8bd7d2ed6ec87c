// Package spool writes to a file from a goroutine of its own, so that a disk that stalls
// for a while does not keep who writes waiting. What it holds meanwhile is bounded: beyond
// that, writing waits.
package spool

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// The sizes of what is written at once, and of what is held.
const (
	chunkSize = 1 << 20
	maxChunks = 64 // 64 MiB
	// kept is how many chunks are kept to be used again.
	kept = 4
)

// PartsWriter is a writer that takes what it writes in parts, as if they were one.
type PartsWriter interface {
	WriteParts(parts ...[]byte) (int, error)
}

// Writer writes to another writer, in order. Its methods may be called from several
// goroutines.
type Writer struct {
	w     io.Writer
	parts PartsWriter // the same, or nil

	mu      sync.Mutex // guards what follows
	changed sync.Cond
	buf     []byte
	queue   [][]byte
	free    [][]byte
	busy    bool // a chunk of the queue, or parts, are being written
	started bool
	closed  bool
	err     error
	done    chan struct{}
}

// New returns a writer to w, which only its goroutine and WriteParts use from Start on
// until Close returns. Until Start, which is called once, it only takes.
func New(w io.Writer) *Writer {
	s := &Writer{w: w, done: make(chan struct{})}
	s.parts, _ = w.(PartsWriter)
	s.changed.L = &s.mu
	return s
}

// Start begins to write. Close ends it.
func (s *Writer) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	go s.run()
}

// run writes the chunks of the queue.
func (s *Writer) run() {
	defer close(s.done)
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		for len(s.queue) == 0 || s.busy {
			if s.closed && len(s.queue) == 0 && !s.busy {
				return
			}
			s.changed.Wait()
		}
		b := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		if s.err == nil {
			s.busy = true
			s.mu.Unlock()
			err := writeAll(s.w, b)
			s.mu.Lock()
			s.busy = false
			s.err = err
		}
		if len(s.free) < kept {
			s.free = append(s.free, b[:0])
		}
		s.changed.Broadcast()
	}
}

func writeAll(w io.Writer, b []byte) error {
	n, err := w.Write(b)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// push puts the buffer into the queue, and waits for room there. The caller holds mu.
func (s *Writer) push() {
	for len(s.queue) >= maxChunks && s.err == nil {
		s.changed.Wait()
	}
	if len(s.buf) == 0 {
		return
	}
	s.queue = append(s.queue, s.buf)
	s.buf = nil
	s.changed.Broadcast()
}

// Write takes bytes, and waits where too many are held. The error is that of an earlier
// write: what was taken since is not written then.
func (s *Writer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(b)
}

func (s *Writer) write(b []byte) (int, error) {
	whole := len(b)
	if s.closed && s.err == nil {
		return 0, fmt.Errorf("write to spool: %w", io.ErrClosedPipe)
	}
	for s.err == nil && len(b) > 0 {
		if s.buf == nil {
			if n := len(s.free); n > 0 {
				s.buf, s.free = s.free[n-1], s.free[:n-1]
			} else {
				s.buf = make([]byte, 0, chunkSize)
			}
		}
		n := min(len(b), cap(s.buf)-len(s.buf))
		s.buf = append(s.buf, b[:n]...)
		b = b[n:]
		if len(s.buf) == cap(s.buf) {
			s.push()
		}
	}
	if s.err != nil {
		return 0, s.err
	}
	return whole, nil
}

// WriteParts writes the parts without a copy where nothing is held up, and the writer below
// can; else it takes them as Write does.
func (s *Writer) WriteParts(parts ...[]byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.parts == nil || !s.started || s.busy || len(s.queue) > 0 || s.closed || s.err != nil {
		for _, b := range parts {
			k, err := s.write(b)
			n += k
			if err != nil {
				return n, err
			}
		}
		return n, nil
	}
	before := s.buf
	s.buf = nil   // what others write meanwhile comes after
	s.busy = true // the goroutine waits
	s.mu.Unlock()
	all, whole := parts, len(before)
	if whole > 0 {
		all = append([][]byte{before}, parts...)
	}
	for _, b := range parts {
		whole += len(b)
	}
	n, err = s.parts.WriteParts(all...)
	if err == nil && n < whole {
		err = io.ErrShortWrite
	}
	s.mu.Lock()
	s.busy, s.err = false, err
	if cap(before) > 0 && len(s.free) < kept {
		s.free = append(s.free, before[:0])
	}
	s.changed.Broadcast()
	return n - min(n, len(before)), err
}

// Push lets what is held be written soon. It does not wait.
func (s *Writer) Push() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) < maxChunks && !s.busy {
		s.push()
	}
}

// Flush returns when all that was taken is written, or could not be. It is for after Start.
func (s *Writer) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.started {
		return errors.New("flush spool: it has not begun to write")
	}
	s.push()
	for (len(s.queue) > 0 || s.busy) && s.err == nil {
		s.changed.Wait()
	}
	return s.err
}

// Close writes what is held, and ends the goroutine. Before Start it writes nothing. The
// writer below is the caller's.
func (s *Writer) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fmt.Errorf("close spool: %w", io.ErrClosedPipe)
	}
	s.closed = true
	if !s.started {
		s.mu.Unlock()
		return nil
	}
	s.push()
	s.changed.Broadcast()
	s.mu.Unlock()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}
