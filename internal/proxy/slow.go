package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// slowRoad is net/http's server, for clients that speak HTTP/2 and for services
// that speak it or TLS.
type slowRoad struct {
	e      *Engine
	far    *far
	conns  chan net.Conn
	server *http.Server
	done   chan struct{}
	once   sync.Once
	served sync.WaitGroup
}

func newSlowRoad(e *Engine) *slowRoad {
	s := &slowRoad{e: e, far: newFar(e), conns: make(chan net.Conn), done: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.server = &http.Server{
		Handler: http.HandlerFunc(s.serve), Protocols: &protocols,
		ReadHeaderTimeout: e.lim.HeadTime, IdleTimeout: e.lim.IdleTime, MaxHeaderBytes: e.lim.Head,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			// A stalled client is found out by a ping that it does not answer, and
			// by bytes that it does not take.
			SendPingTimeout: e.lim.IdleTime, WriteByteTimeout: e.lim.StallTime,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, lowKey{}, lowOf(c))
		},
		ErrorLog: log.New(io.Discard, "", 0), // a line for each client that misbehaves is of no use
	}
	s.served.Go(func() { s.server.Serve(s) }) // always ErrServerClosed: Accept fails only after Close
	return s
}

// readConn is a connection of which some bytes were read already.
type readConn struct {
	net.Conn
	low   *lowConn
	first []byte
}

func (c *readConn) Read(b []byte) (int, error) {
	if len(c.first) > 0 {
		n := copy(b, c.first)
		c.first = c.first[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// lowKey is where a connection's context has its lowConn.
type lowKey struct{}

// lowOf returns what a connection was accepted as.
func lowOf(c net.Conn) *lowConn {
	switch c := c.(type) {
	case *readConn:
		return c.low
	case *h2conn:
		return c.low
	case *tls.Conn:
		low, _ := c.NetConn().(*lowConn)
		return low
	}
	return nil
}

// give has net/http serve a connection.
func (s *slowRoad) give(c net.Conn) {
	if s.e.cfg.Busy != nil {
		s.e.cfg.Busy()
	}
	select {
	case s.conns <- c:
	case <-s.done:
		c.Close()
	}
}

// giveH2 is give for a connection that speaks HTTP/2.
func (s *slowRoad) giveH2(c net.Conn, low *lowConn) {
	h, err := newH2conn(s.e, c, low)
	if err != nil { // the client was told
		c.Close()
		return
	}
	s.give(h)
}

// Accept, Close and Addr make the road a listener of what it is given.
func (s *slowRoad) Accept() (net.Conn, error) {
	select {
	case c := <-s.conns:
		return c, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *slowRoad) Close() error { s.once.Do(func() { close(s.done) }); return nil }

// Addr is none: the road listens nowhere.
func (s *slowRoad) Addr() net.Addr { return &net.UnixAddr{} }

func (s *slowRoad) shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if err != nil {
		s.server.Close() // ctx has ended: what is left is cut off
	}
	s.served.Wait()
	s.far.close()
	return err
}

// serve answers one request.
func (s *slowRoad) serve(w http.ResponseWriter, r *http.Request) {
	e := s.e
	low, ok := r.Context().Value(lowKey{}).(*lowConn)
	if !ok || low == nil {
		panic(http.ErrAbortHandler) // cannot be: give is called with no other
	}
	began := time.Now()
	x, p := newExchange(r, low, e.lim.Fields)
	if p != nil {
		x.answer(w, p)
		return
	}
	for range maxMoves {
		rt, p, wait := e.decide(&x.facts, low.in)
		if wait {
			choose := func(s *snapshot) (*route, *page, bool) { return e.choose(s, &x.facts, low.in) }
			rt, p = e.hold(r.Context(), choose, nil)
		}
		if p != nil {
			x.answer(w, p)
			return
		}
		err := s.carry(w, r, x, rt)
		if err == nil {
			return
		}
		if !errors.Is(err, errMoved) {
			p := e.upstreamPage(rt, err)
			p.call = resetStatus(err, r.Header.Get("Grpc-Timeout"), time.Since(began))
			x.answer(w, p)
			return
		}
	}
	x.answer(w, movingPage())
}

// carry takes the request to a service. An error means that nothing was sent
// to the client yet.
func (s *slowRoad) carry(w http.ResponseWriter, r *http.Request, x *exchange, rt *route) error {
	rt.use.begin()
	defer func() { rt.use.end(s.e.now.Load()) }() // also when it panics, to abort
	if x.minor < 2 && x.upgrade == nil {
		// What the watch does on the hot road. HTTP/2 has its own ways, and streams
		// that are silent for long with good reason.
		rc := http.NewResponseController(w)
		w = &patientWriter{w, rc, s.e.lim.StallTime}
		defer rc.SetWriteDeadline(time.Time{})
		if x.hasBody {
			r.Body = &patientBody{r.Body, rc, s.e.lim.StallTime}
		}
	}
	if rt.slowRoad(&x.facts) || x.upgrade != nil {
		return s.far.carry(w, r, x, rt)
	}
	return x.carry(s.e, w, r, rt)
}

// patientWriter gives a client a while to take each piece.
type patientWriter struct {
	http.ResponseWriter
	rc    *http.ResponseController
	limit time.Duration
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.rc.SetWriteDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (p *patientWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// patientBody gives a client a while to send each piece.
type patientBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	limit time.Duration
}

func (p *patientBody) Read(b []byte) (int, error) {
	if err := p.rc.SetReadDeadline(time.Now().Add(p.limit)); err != nil {
		return 0, err
	}
	return p.ReadCloser.Read(b)
}
