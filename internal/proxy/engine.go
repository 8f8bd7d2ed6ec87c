package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/proxy/buffers"
	"lodge/internal/proxy/flood"
	"lodge/internal/proxy/policy"
	"lodge/internal/proxy/tunnel"
	"lodge/internal/proxy/upstream"
)

// Engine carries requests. Make it with New, give it a Table and listeners,
// and end it with Shutdown.
type Engine struct {
	router
	tls *tls.Config
	now atomic.Int64 // nanoseconds since 1970; behind by up to a tick of keepTime

	latest    atomic.Pointer[fastConn] // the connection of the last request on the fast path
	tunnels   *tunnel.Set
	general   *general
	ledger    *flood.Ledger
	buffers   buffers.Pool
	upstream  upstream.Config
	transport *upstream.Transport // for services that speak HTTP/2 or TLS

	slots chan struct{} // one for each client connection

	mu        sync.Mutex // guards what follows
	pools     map[Endpoint]*upstream.Pool
	usage     map[string]*usage
	listeners map[net.Listener]struct{}
	conns     map[*fastConn]struct{}
	closing   bool

	done   chan struct{}  // closed when Shutdown begins
	wg     sync.WaitGroup // of listeners, and of connections on the fast path
	clock  sync.WaitGroup // of keepTime
	ctx    context.Context
	cancel context.CancelFunc // ends dials, and waits for services
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("serve names: the engine is shut down")

// New makes an engine with an empty table. It starts a goroutine, which
// Shutdown ends.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		router: router{cfg: cfg, lim: cfg.Limits}, pools: map[Endpoint]*upstream.Pool{}, usage: map[string]*usage{},
		listeners: map[net.Listener]struct{}{}, conns: map[*fastConn]struct{}{}, done: make(chan struct{}),
	}
	e.lim.fill()
	e.ledger = flood.NewLedger(cfg.Client, e.lim.Frames, e.lim.PenaltyTime)
	e.rules = policy.Rules{TLS: cfg.TLS != nil, CanStart: cfg.Start != nil, CanSettle: cfg.Settle != nil}
	e.upstream = upstream.Config{
		Check: cfg.Check, DialTime: e.lim.DialTime, KeepTime: e.lim.KeepTime, MaxIdle: e.lim.Idle, MaxHead: e.lim.Head,
		Clock: &e.now, Buffers: &e.buffers,
	}
	if cfg.TLS != nil {
		e.upstream.KeyLog = cfg.TLS.KeyLogWriter
	}
	e.transport = upstream.NewTransport(&e.upstream)
	e.slots = make(chan struct{}, e.lim.Conns)
	e.now.Store(time.Now().UnixNano())
	if cfg.TLS != nil {
		t := cfg.TLS.Clone()
		t.NextProtos = []string{"h2", "http/1.1"}
		t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
		// Short first records help a page over a slow network, of which there is
		// none here, and cost a system call each.
		t.DynamicRecordSizingDisabled = true
		t.GetConfigForClient = passThrough{e}.handshakeConfig
		e.tls = t
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	var err error
	if e.tunnels, err = tunnel.New(&e.buffers, &e.now, e.lim.StallTime); err != nil {
		e.cancel()
		return nil, fmt.Errorf("make engine: %w", err)
	}
	empty, err := NewTable(nil)
	if err != nil {
		return nil, err
	}
	e.SetTable(empty)
	e.general = newGeneral(e)
	e.clock.Go(e.keepTime)
	return e, nil
}

// SetTable puts a table to use. Requests under way go on as they were;
// connections to endpoints that the table still has are kept; requests that
// wait for a service look again.
func (e *Engine) SetTable(t *Table) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &snapshot{table: t, changed: make(chan struct{}), routes: make([]*route, t.Len()), byID: make(map[string]*route, t.Len())}
	used := map[Endpoint]bool{}
	for i := range t.Len() {
		svc := t.Service(i)
		counted := svc.ID
		if svc.UsedAs != "" {
			counted = svc.UsedAs
		}
		r := &route{Service: svc, use: e.usage[counted]}
		if r.use == nil {
			r.use = &usage{}
			e.usage[counted] = r.use
		}
		for _, p := range svc.Endpoints {
			used[p] = true
			if e.pools[p] == nil {
				e.pools[p] = upstream.NewPool(&e.upstream, p)
			}
			r.pools = append(r.pools, e.pools[p])
		}
		s.routes[i], s.byID[svc.ID] = r, r
	}
	for p, pool := range e.pools {
		if !used[p] {
			delete(e.pools, p)
			pool.Retire()
		}
	}
	for id, u := range e.usage {
		if s.byID[id] == nil && u.open.Load() == 0 {
			delete(e.usage, id)
		}
	}
	old := e.snap.Swap(s)
	if old != nil {
		close(old.changed)
	}
}

// Usage reports whether a service is in use, for a caller that stops it when idle.
func (e *Engine) Usage(id string) Usage {
	e.mu.Lock()
	u := e.usage[id]
	e.mu.Unlock()
	if u == nil {
		return Usage{}
	}
	out := Usage{Requests: u.requests.Load(), Open: int(u.open.Load())}
	if n := u.last.Load(); n != 0 {
		out.Last = time.Unix(0, n)
	}
	return out
}

// Shutdown closes the listeners, lets requests under way end, and closes
// tunnels and idle connections. When ctx ends it closes the rest too and
// returns ctx's error.
func (e *Engine) Shutdown(ctx context.Context) error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil
	}
	e.closing = true
	close(e.done)
	for l := range e.listeners {
		l.Close() // Serve returns ErrClosed, whatever this says
	}
	conns := make([]*fastConn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()
	for _, c := range conns {
		c.closeIfIdle()
	}
	e.tunnels.Close()
	gone := make(chan struct{})
	go func() { // ends with the goroutines that it waits for, which the next lines end
		e.wg.Wait()
		close(gone)
	}()
	err := e.general.shutdown(ctx)
	select {
	case <-gone:
	case <-ctx.Done():
		err = ctx.Err()
	}
	e.cancel()
	e.mu.Lock()
	for c := range e.conns {
		c.abort()
	}
	e.mu.Unlock()
	<-gone
	e.clock.Wait()
	e.transport.Close()
	e.mu.Lock()
	for _, p := range e.pools {
		p.Retire()
	}
	e.mu.Unlock()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
