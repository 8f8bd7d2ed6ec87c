package spool

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// slow is a writer that writes when it is let.
type slow struct {
	mu   sync.Mutex
	got  bytes.Buffer
	err  error
	gate chan struct{} // nil: always
}

func (s *slow) Write(b []byte) (int, error) {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.got.Write(b)
}

// withParts takes parts, too.
type withParts struct {
	slow
	direct int
}

func (w *withParts) WriteParts(parts ...[]byte) (int, error) {
	w.direct++
	return w.Write(slices.Concat(parts...))
}

// What is taken is written in its order, whole or in parts.
func TestOrder(t *testing.T) {
	for _, w := range []io.Writer{&slow{}, &withParts{}} {
		s := New(w)
		if _, err := s.WriteParts([]byte("he"), []byte("ad")); err != nil || len(content(w)) > 0 {
			t.Fatalf("before Start: %v, %q is written", err, content(w))
		}
		s.Start()
		var want bytes.Buffer
		want.WriteString("head")
		for i := range 3000 {
			text := bytes.Repeat([]byte(strconv.Itoa(i)+","), i%700+1)
			want.Write(text)
			var err error
			var n int
			if i%3 == 0 {
				n, err = s.WriteParts(text[:1], text[1:len(text)/2], text[max(1, len(text)/2):])
			} else {
				n, err = s.Write(text)
			}
			if err != nil || n != len(text) {
				t.Fatal(n, err)
			}
			if i%1000 == 500 {
				s.Push()
			}
			if i == 2000 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				if got := content(w); !bytes.Equal(got, want.Bytes()) {
					t.Fatalf("%T: after Flush there are %d bytes, want %d, the same", w, len(got), want.Len())
				}
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(content(w), want.Bytes()) {
			t.Errorf("%T: not what was written", w)
		}
		if p, ok := w.(*withParts); ok && p.direct == 0 {
			t.Error("parts were never given as such")
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Write after Close: %v", err)
		}
	}
}

func content(w io.Writer) []byte {
	s, ok := w.(*slow)
	if !ok {
		s = &w.(*withParts).slow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.got.Bytes())
}

// A disk that stalls keeps nobody waiting until much is held, and then the writer waits.
func TestStall(t *testing.T) {
	w := &withParts{slow: slow{gate: make(chan struct{})}}
	s := New(w)
	s.Start()
	piece := make([]byte, chunkSize/2)
	for range 2 * maxChunks {
		if _, err := s.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.WriteParts([]byte("head"), []byte("data")); n != 8 || err != nil {
		t.Fatal(n, err)
	}
	full := make(chan error)
	go func() {
		var err error
		for range 6 {
			if _, err = s.Write(piece); err != nil {
				break
			}
		}
		full <- err
	}()
	select {
	case err := <-full:
		t.Fatalf("more than %d chunks are held: %v", maxChunks, err)
	default:
	}
	close(w.gate)
	if err := <-full; err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := len(content(w)), (2*maxChunks+6)*len(piece)+8; got != want {
		t.Errorf("%d bytes were written, want %d", got, want)
	}
}

// An error is told by a later call, and nothing waits for ever.
func TestError(t *testing.T) {
	boom := errors.New("no space left on device")
	s := New(&slow{err: boom})
	s.Start()
	if _, err := s.Write(make([]byte, 4*chunkSize)); err != nil && !errors.Is(err, boom) {
		t.Fatal(err)
	}
	if err := s.Flush(); !errors.Is(err, boom) {
		t.Errorf("Flush: %v", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, boom) {
		t.Errorf("Write: %v", err)
	}
	if _, err := s.WriteParts([]byte("x")); !errors.Is(err, boom) {
		t.Errorf("WriteParts: %v", err)
	}
	if err := s.Close(); !errors.Is(err, boom) {
		t.Errorf("Close: %v", err)
	}
	if err := s.Close(); err == nil {
		t.Error("a second Close has no error")
	}
	w := &slow{}
	unused := New(w)
	if _, err := unused.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	if err := unused.Close(); err != nil || len(content(w)) > 0 {
		t.Errorf("Close without Start: %v, %q is written", err, content(w))
	}
}
