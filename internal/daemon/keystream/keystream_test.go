package keystream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/unixsock"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

func serve(t *testing.T) (*Stream, *localapi.Client) {
	t.Helper()
	s := new(Stream)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := unixsock.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+localapi.KeysTarget, s)
	srv := &http.Server{Handler: mux}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	c := localapi.New(path)
	t.Cleanup(c.Close)
	return s, c
}

func open(t *testing.T, c *localapi.Client) *localapi.Keys {
	t.Helper()
	k, err := localapi.OpenKeys(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

func readers(s *Stream) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers)
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in time", what)
		}
	}
}

// What was written is there for each reader when Write has returned; what was written
// before is not.
func TestStream(t *testing.T) {
	s, c := serve(t)
	b := make([]byte, 1000)
	if n, err := s.Write([]byte("to nobody\n")); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	first, second := open(t, c), open(t, c)
	for i := range 3 {
		line := fmt.Sprintf("line %d\n", i)
		if n, err := s.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		for _, k := range []*localapi.Keys{first, second} {
			if n, err := k.Read(b); err != nil || string(b[:n]) != line {
				t.Errorf("read %q, %v", b[:n], err)
			}
			if n, err := k.Read(b); n != 0 || err != nil {
				t.Errorf("read %q, %v, where there is nothing", b[:n], err)
			}
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "the first reader has gone", func() bool { return readers(s) == 1 })
	if n, err := s.Write([]byte("more\n")); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := second.Read(b); err != nil || string(b[:n]) != "more\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
	s.Close()
	await(t, "the end", func() bool {
		_, err := second.Read(b)
		return errors.Is(err, io.EOF)
	})
	if _, err := localapi.OpenKeys(t.Context(), c); err == nil {
		t.Error("keys of a daemon that ends")
	}
}

// A reader that does not read holds up no handshake: it is let go of.
func TestSlowReader(t *testing.T) {
	s, c := serve(t)
	slow := open(t, c)
	line := []byte(strings.Repeat("x", 999) + "\n")
	lines := 0
	for readers(s) > 0 {
		if n, err := s.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		if lines++; lines > 100_000 {
			t.Fatal("it is still there")
		}
	}
	b := make([]byte, 1<<16)
	got := 0
	for {
		n, err := slow.Read(b)
		got += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got == 0 || got > lines*len(line) {
		t.Errorf("%d bytes of %d lines", got, lines)
	}
}

func TestManyReaders(t *testing.T) {
	s, c := serve(t)
	for range maxReaders {
		open(t, c)
	}
	_, err := localapi.OpenKeys(t.Context(), c)
	var e *localapi.Error
	if !errors.As(err, &e) || e.Hint == "" || readers(s) != maxReaders {
		t.Errorf("%v, %d readers", err, readers(s))
	}
}
