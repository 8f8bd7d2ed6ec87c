package proof

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"lodge/internal/trust"
)

// server is for one try of one client: what it saw is the evidence.
type server struct {
	port   int
	path   string // a secret, so that only the client asks for it
	config *tls.Config
	lns    []net.Listener
	group  sync.WaitGroup
	ctx    context.Context
	stop   context.CancelFunc

	done chan struct{} // closed with the first request
	left chan struct{} // closed when a client first went without one

	mu        sync.Mutex // guards what follows
	offered   bool       // the client was given a certificate
	requested bool       // and made its request
	gone      bool       // or went without one
}

// newServer listens on 127.0.0.1, and on ::1 where that is possible: a client
// may take either for localhost.
func newServer(ctx context.Context, a *trust.Authority) (*server, error) {
	secret := make([]byte, 16)
	_, _ = rand.Read(secret)
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	s := &server{
		port: ln.Addr().(*net.TCPAddr).Port,
		path: "/" + hex.EncodeToString(secret),
		lns:  []net.Listener{ln},
		done: make(chan struct{}),
		left: make(chan struct{}),
	}
	leaves := a.Leaves(func(name string) bool { return name == dotted || name == plain })
	s.config = leaves.TLSConfig("http/1.1")
	s.config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		c, err := leaves.GetCertificate(hello)
		if c != nil {
			s.note(func() { s.offered = true })
		}
		return c, err
	}
	s.ctx, s.stop = context.WithCancel(ctx)
	if ln6, err := net.Listen("tcp6", fmt.Sprintf("[::1]:%d", s.port)); err == nil {
		s.lns = append(s.lns, ln6)
	}
	for _, ln := range s.lns {
		s.group.Go(func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				s.group.Go(func() { s.serve(c) })
			}
		})
	}
	return s, nil
}

// serve answers one request and closes.
func (s *server) serve(c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(s.ctx, func() { _ = c.Close() })()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	conn := tls.Server(c, s.config)
	// How a client says no tells nothing: some send an alert, which arrives
	// under a key that the server has no more, and some just close.
	req, err := http.ReadRequest(bufio.NewReader(io.LimitReader(conn, 64<<10)))
	if err != nil {
		s.note(func() {
			if s.offered && !s.gone {
				s.gone = true
				close(s.left)
			}
		})
		return
	}
	if strings.HasPrefix(req.URL.Path, s.path) { // git adds to it
		s.note(func() {
			if !s.requested {
				s.requested = true
				close(s.done)
			}
		})
	}
	_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlodge\n")
	_ = conn.Close()
}

func (s *server) note(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// close ends the server, waits for its goroutines, and says what was seen. The
// client has ended, but what it said last may still be on its way.
func (s *server) close() (offered, requested bool) {
	for _, ln := range s.lns {
		_ = ln.Close()
	}
	late := time.AfterFunc(2*time.Second, s.stop)
	s.group.Wait()
	late.Stop()
	s.stop()
	return s.offered, s.requested
}
