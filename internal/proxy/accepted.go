package proxy

import (
	"net"
	"sync"

	"lodge/internal/proxy/buffers"
	"lodge/internal/proxy/flood"
	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/socket"
)

// accepted is a client's connection as it was accepted: what is below TLS.
type accepted struct {
	socket.Conn
	free    func() // called once, when it is closed
	once    sync.Once
	client  http1.Client
	only    string         // the ID of the one service that the listener is for; "": all
	account *flood.Account // of the client, where it was asked for

	buffers *buffers.Pool
	mu      sync.Mutex // guards held; Read of TLS may write alerts
	held    *[]byte    // where what is written is collected; nil: it is written at once
}

func newAccepted(c net.Conn, b *buffers.Pool, free func()) (*accepted, error) {
	s, err := socket.New(c)
	if err != nil {
		return nil, err
	}
	return &accepted{Conn: s, buffers: b, free: free}, nil
}

// Close closes the connection and gives its slot back.
func (a *accepted) Close() error {
	err := a.Conn.Close()
	a.once.Do(a.free)
	return err
}

// Write collects after collect: TLS writes each record by itself.
func (a *accepted) Write(b []byte) (int, error) {
	a.mu.Lock()
	if a.held != nil {
		*a.held = append(*a.held, b...)
		a.mu.Unlock()
		return len(b), nil
	}
	a.mu.Unlock()
	return a.Conn.Write(b)
}

// collect begins to hold back what is written.
func (a *accepted) collect() {
	a.mu.Lock()
	if a.held == nil {
		a.held = a.buffers.Scratch()
	}
	a.mu.Unlock()
}

// flush writes what was held back.
func (a *accepted) flush() error {
	a.mu.Lock()
	held := a.held
	a.held = nil
	a.mu.Unlock()
	if held == nil {
		return nil
	}
	_, err := a.Conn.Write(*held)
	a.buffers.PutScratch(held)
	return err
}

// partlyRead is a connection of which some bytes were read already.
type partlyRead struct {
	net.Conn
	accepted *accepted
	first    []byte
}

func (c *partlyRead) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// acceptedOf returns what a connection was accepted as, or nil.
func acceptedOf(c net.Conn) *accepted {
	switch c := c.(type) {
	case *partlyRead:
		return c.accepted
	case *flood.Conn:
		a, _ := c.Accepted().(*accepted)
		return a
	}
	return nil
}
