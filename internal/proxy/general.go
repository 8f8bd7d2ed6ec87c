package proxy

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"lodge/internal/proxy/flood"
	"lodge/internal/proxy/pages"
)

// general is the general path: net/http's server, for clients that speak HTTP/2
// and for requests to services that speak it or TLS. Connections come to it from
// the listeners, or from the fast path.
type general struct {
	e      *Engine
	conns  chan net.Conn
	server *http.Server
	done   chan struct{}
	once   sync.Once
	served sync.WaitGroup
}

func newGeneral(e *Engine) *general {
	g := &general{e: e, conns: make(chan net.Conn), done: make(chan struct{})}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	g.server = &http.Server{
		Handler: http.HandlerFunc(g.serve), Protocols: &protocols,
		ReadHeaderTimeout: e.lim.HeadTime, IdleTimeout: e.lim.IdleTime, MaxHeaderBytes: e.lim.Head,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: 250,
			// A stalled client is found out by a ping that it does not answer, and
			// by bytes that it does not take.
			SendPingTimeout: e.lim.IdleTime, WriteByteTimeout: e.lim.StallTime,
		},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, acceptedKey{}, acceptedOf(c))
		},
		ErrorLog: log.New(io.Discard, "", 0), // a line for each client that misbehaves is of no use
	}
	g.served.Go(func() { g.server.Serve(g) }) // always ErrServerClosed: Accept fails only after Close
	return g
}

// acceptedKey is where a connection's context has what it was accepted as.
type acceptedKey struct{}

// give has net/http serve a connection.
func (g *general) give(c net.Conn) {
	if g.e.cfg.Busy != nil {
		g.e.cfg.Busy()
	}
	select {
	case g.conns <- c:
	case <-g.done:
		c.Close()
	}
}

// giveH2 is give for a connection that speaks HTTP/2.
func (g *general) giveH2(c net.Conn, a *accepted) {
	h, err := flood.NewConn(g.e.ledger, c, a, a.account, g.e.done)
	if err != nil { // the client was told
		c.Close()
		return
	}
	g.give(h)
}

// Accept, Close and Addr make the path a listener of what it is given.
func (g *general) Accept() (net.Conn, error) {
	select {
	case c := <-g.conns:
		return c, nil
	case <-g.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (g *general) Close() error { g.once.Do(func() { close(g.done) }); return nil }

// Addr is none: the path listens nowhere.
func (g *general) Addr() net.Addr { return &net.UnixAddr{} }

func (g *general) shutdown(ctx context.Context) error {
	err := g.server.Shutdown(ctx)
	if err != nil {
		g.server.Close() // ctx has ended: what is left is cut off
	}
	g.served.Wait()
	return err
}

// serve answers one request.
func (g *general) serve(w http.ResponseWriter, r *http.Request) {
	e := g.e
	a, ok := r.Context().Value(acceptedKey{}).(*accepted)
	if !ok || a == nil {
		panic(http.ErrAbortHandler) // cannot be: give is called with no other
	}
	began := time.Now()
	x := &generalCall{e: e, accepted: a, in: r, w: w, ctx: r.Context()}
	err := x.req.Adopt(r, e.lim.Fields)
	x.req.TLS = a.client.TLS
	if err != nil {
		x.answer(unadoptable(err))
		return
	}
	for range maxMoves {
		rt, p, wait := e.decide(e.snap.Load(), &x.req, a.only)
		if wait {
			choose := func(s *snapshot) (*route, *pages.Page, bool) { return e.decide(s, &x.req, a.only) }
			rt, p = e.awaitReady(r.Context(), choose, nil)
		}
		if p != nil {
			x.answer(p)
			return
		}
		err := x.carry(rt)
		if err == nil {
			return
		}
		if !errors.Is(err, errMoved) {
			p := pages.NoAnswer(rt.Service, err, e.tail(rt.Service))
			p.Call = pages.ResetStatus(err, r.Header.Get("Grpc-Timeout"), time.Since(began))
			x.answer(p)
			return
		}
	}
	x.answer(pages.Moving())
}
