package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultMaxBytes = 8 << 20
	defaultKeep     = 3
	// retryEvery is how often writing is tried again after it failed, and how
	// often it is looked whether the file is still the one that is written.
	retryEvery = time.Second
)

// Options bounds what a Store uses on disk.
type Options struct {
	// MaxBytes is the size at which a file is rotated; zero means 8 MiB. A
	// file is longer only if a single write is.
	MaxBytes int64
	// Keep is how many rotated files a service has; zero means 3, a negative
	// number none.
	Keep int
}

// Store writes the logs of one project. One process at a time may have a
// Store of a directory; any number may Read it.
type Store struct {
	dir      string
	maxBytes int64
	keep     int
	now      func() time.Time
	errs     chan error
	// follows is replaced, never changed, under mu; streams read it under
	// their own lock.
	follows atomic.Pointer[[]*Follow]

	// mu guards streams, closed and the replacing of follows. Order of locks: mu,
	// then the streams' by name, then a Follow's, or errMu.
	mu      sync.Mutex
	streams map[string]*stream
	closed  bool

	// errMu guards failing, which streams change under their own lock.
	errMu   sync.Mutex
	failing map[*stream]string
}

// Open makes dir (mode 0700) and its parents if need be. It writes nothing
// else, so that it works on a full disk.
func Open(dir string, opt Options) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open logs: %w", err)
	}
	st := &Store{
		dir:      dir,
		maxBytes: opt.MaxBytes,
		keep:     max(opt.Keep, 0),
		now:      time.Now,
		errs:     make(chan error, 16),
		streams:  map[string]*stream{},
		failing:  map[*stream]string{},
	}
	if st.maxBytes <= 0 {
		st.maxBytes = defaultMaxBytes
	}
	if opt.Keep == 0 {
		st.keep = defaultKeep
	}
	return st, nil
}

// Writer returns a new writer of the service's log. A service may have several
// at once (two pipes, or the end of one process and the start of the next);
// their lines are not mixed.
func (st *Store) Writer(service string) *Writer {
	st.mu.Lock()
	s := st.stream(service)
	st.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Writer{s: s}
	s.writers = append(s.writers, w)
	return w
}

// stream needs mu.
func (st *Store) stream(service string) *stream {
	s := st.streams[service]
	if s == nil {
		s = &stream{st: st, service: service, path: filepath.Join(st.dir, fileName(service)), shut: st.closed}
		st.streams[service] = s
	}
	return s
}

// all returns the streams, sorted by name.
func (st *Store) all() []*stream {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make([]*stream, 0, len(st.streams))
	for _, s := range st.streams {
		out = append(out, s)
	}
	slices.SortFunc(out, byName)
	return out
}

// Flush gives out, as lines, what was printed without a line end (a prompt)
// and has not been added to for idle, and tries again to write what could not
// be written. It is meant to be called a few times a second.
func (st *Store) Flush(idle time.Duration) {
	for _, s := range st.all() {
		s.flush(idle)
	}
}

// Tail returns the last n lines of a service, from memory, with what was
// printed without a line end. At most 1,000, fewer if they are long, and only
// what this Store has seen.
func (st *Store) Tail(service string, n int) []Line {
	st.mu.Lock()
	s := st.streams[service]
	st.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.tail(n)
}

// Err delivers the cause when logs can no longer be written, once until all
// can be written again or the cause is another one. Nobody needs to read it.
func (st *Store) Err() <-chan error { return st.errs }

// failed is called with the stream's lock held.
func (st *Store) failed(s *stream, err error) {
	cause := err.Error()
	var errno syscall.Errno
	if errors.As(err, &errno) {
		cause = errno.Error()
	}
	st.errMu.Lock()
	defer st.errMu.Unlock()
	said := false
	for _, c := range st.failing {
		said = said || c == cause
	}
	st.failing[s] = cause
	if said {
		return
	}
	select {
	case st.errs <- fmt.Errorf("write log of %s: %w", s.service, err):
	default: // no reader
	}
}

func (st *Store) recovered(s *stream) {
	st.errMu.Lock()
	defer st.errMu.Unlock()
	delete(st.failing, s)
}

// cause reports why s is not written, "" if it is.
func (st *Store) cause(s *stream) string {
	st.errMu.Lock()
	defer st.errMu.Unlock()
	return st.failing[s]
}

// Close writes what is left, closes the files and ends all Follows once they
// have given out what they hold. Writers may still be used; what they get is
// in Tail, but not on disk.
func (st *Store) Close() error {
	st.mu.Lock()
	closed := st.closed
	st.closed = true
	st.mu.Unlock()
	if closed {
		return nil
	}
	var errs []error
	for _, s := range st.all() {
		errs = append(errs, s.close())
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if follows := st.follows.Swap(nil); follows != nil {
		for _, f := range *follows {
			f.end()
		}
	}
	return errors.Join(errs...)
}
