package keeper

import (
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/unixsock"
)

// connections are those of the keeper's clients, each with a goroutine. The zero
// value is ready.
type connections struct {
	handlers sync.WaitGroup // and the goroutines that accept

	mu     sync.Mutex // guards what follows
	hungUp bool       // no client is heard any more
	open   map[*net.UnixConn]struct{}
}

// accept calls handle with each connection of a listener, until that is closed.
// It returns at once.
func (t *connections) accept(ln *unixsock.Owned, handle func(*net.UnixConn)) {
	t.handlers.Go(func() {
		for {
			c, err := ln.AcceptUnix()
			if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
				time.Sleep(50 * time.Millisecond) // descriptors come back by themselves, not as an event
				continue
			}
			if err != nil {
				return // closed
			}
			if !unixsock.SameUser(c) || !t.add(c) {
				_ = c.Close()
				continue
			}
			t.handlers.Go(func() {
				handle(c)
				t.remove(c)
			})
		}
	})
}

func (t *connections) add(c *net.UnixConn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hungUp {
		return false
	}
	if t.open == nil {
		t.open = make(map[*net.UnixConn]struct{})
	}
	t.open[c] = struct{}{}
	return true
}

func (t *connections) remove(c *net.UnixConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// hangUp makes each connection end, when its handler has written what it has to.
// The listeners were closed before.
func (t *connections) hangUp() {
	t.mu.Lock()
	t.hungUp = true
	for c := range t.open {
		_ = c.CloseRead()
	}
	t.mu.Unlock()
}

// wait waits for the handlers. No listener is added any more.
func (t *connections) wait() { t.handlers.Wait() }
