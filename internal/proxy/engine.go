package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what an engine is made of. The zero value works: plain HTTP, no
// services, the default limits.
type Config struct {
	// TLS has the certificates (GetCertificate or Certificates). It is cloned;
	// protocols, the lowest version and GetConfigForClient are set here. Nil: no
	// TLS.
	TLS *tls.Config
	// HTTPSPort is the port of redirects from http: to https:. 0 means that of
	// the request, for a listener that takes both.
	HTTPSPort int
	Limits    Limits
	// Start is called for a request to a service that is down and OnRequest. It
	// returns when the table that the engine has says so (Starting or Ready), or
	// an error for the page. It may be called several times at once for one
	// service. Nil: nothing is started.
	Start func(ctx context.Context, id string) error
	// Settle is called for a request to a service that is Unsettled. It returns
	// when the table that the engine has says where requests go, or an error for
	// the page. It may be called several times at once for one service. Nil: such
	// a service is taken for one that is ready.
	Settle func(ctx context.Context, id string) error
	// Refused is told that a service which is Ready refuses connections: it may
	// have closed its socket, of which nobody tells. It must return at once. Nil:
	// nobody wants to know.
	Refused func(id string)
	// Tail returns the last lines that a service wrote, for the page that says
	// that it is down. Nil: none.
	Tail func(id string) []string
	Log  *slog.Logger // of listeners that fail; nil: nobody
	// Busy is called for each connection that takes net/http's road, which needs
	// more of the processors. Nil: nobody wants to know.
	Busy func()
	// Check reports whether who listens at an address is the service that the
	// table has there. Its error holds ECONNREFUSED if that is somebody else: the
	// request waits for another table then. Nil: whoever listens is.
	Check func(netip.AddrPort) error
	// Client names the process at the other end of a connection from this
	// machine, which goes from client to server: what it floods counts against
	// all that has that name. It is asked about few connections. False, or a nil
	// Client: it is not known.
	Client func(client, server netip.AddrPort) (string, bool)
}

// Limits bound what clients may cost. A zero field takes the default.
type Limits struct {
	Head       int           // bytes of a head, request line included; 64 KiB
	Fields     int           // header fields of a request; 200
	Conns      int           // client connections at once, tunnels included; 32768
	Idle       int           // connections kept open to one endpoint; 128
	HeadTime   time.Duration // from the first byte of a head to its end, and for TLS handshakes; 10 s
	IdleTime   time.Duration // between requests of a connection; 120 s
	StallTime  time.Duration // without progress in sending or receiving a body; 5 min
	HoldTime   time.Duration // a request waits for a service that starts; 60 s
	FailTime   time.Duration // a request waits for a service that fails; 0.5 s
	RefuseTime time.Duration // a request waits for a ready service that refuses connections; 1 s
	DialTime   time.Duration // to connect to a service; 5 s
	// KeepTime is how long a connection to a service is kept while nothing uses
	// it. Node closes such a connection after 5 s, and says so in Keep-Alive,
	// which is heeded; the default is 4 s, so that it is lodge that closes first.
	KeepTime time.Duration
	// Frames bounds the frames of HTTP/2 without work that a connection may send
	// at once, in the units of h2cost.go; an eighth of it comes back each second.
	// 8192.
	Frames int
	// PenaltyTime is how long a client that sent more is remembered; 30 s.
	PenaltyTime time.Duration
}

func (l *Limits) fill() {
	n := func(p *int, d int) {
		if *p == 0 {
			*p = d
		}
	}
	t := func(p *time.Duration, d time.Duration) {
		if *p == 0 {
			*p = d
		}
	}
	n(&l.Head, 64<<10)
	n(&l.Fields, 200)
	n(&l.Conns, 32768)
	n(&l.Idle, 128)
	t(&l.HeadTime, 10*time.Second)
	t(&l.IdleTime, 120*time.Second)
	t(&l.StallTime, 5*time.Minute)
	t(&l.HoldTime, 60*time.Second)
	t(&l.FailTime, 500*time.Millisecond)
	t(&l.RefuseTime, time.Second)
	t(&l.DialTime, 5*time.Second)
	t(&l.KeepTime, 4*time.Second)
	n(&l.Frames, 8192)
	t(&l.PenaltyTime, 30*time.Second)
}

// Engine carries requests. Make it with New, give it a Table and listeners,
// and end it with Shutdown.
type Engine struct {
	cfg  Config
	lim  Limits
	tls  *tls.Config
	snap atomic.Pointer[snapshot]
	now  atomic.Int64 // the watch's clock, nanoseconds since 1970; behind by up to a tick

	latest  atomic.Pointer[h1conn] // the connection of the last request on the hot road
	tunnels *tunnels
	slow    *slowRoad
	ledger  *ledger
	buffers buffers

	slots chan struct{} // one for each client connection

	mu        sync.Mutex // guards what follows
	table     *Table
	pools     map[Endpoint]*pool
	usage     map[string]*usage
	listeners map[net.Listener]struct{}
	conns     map[*h1conn]struct{}
	closing   bool

	done   chan struct{}  // closed when Shutdown begins
	wg     sync.WaitGroup // of listeners, and of connections on the hot road
	clock  sync.WaitGroup // of the watch
	ctx    context.Context
	cancel context.CancelFunc // ends dials and holds
}

// ErrClosed is what Serve returns after Shutdown.
var ErrClosed = errors.New("serve names: the engine is shut down")

// New makes an engine with an empty table. It starts a goroutine, which
// Shutdown ends.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		cfg: cfg, lim: cfg.Limits, pools: map[Endpoint]*pool{}, usage: map[string]*usage{},
		listeners: map[net.Listener]struct{}{}, conns: map[*h1conn]struct{}{}, done: make(chan struct{}),
	}
	e.lim.fill()
	e.ledger = newLedger(cfg, e.lim)
	e.slots = make(chan struct{}, e.lim.Conns)
	e.now.Store(time.Now().UnixNano())
	if cfg.TLS != nil {
		t := cfg.TLS.Clone()
		t.NextProtos = []string{"h2", "http/1.1"}
		t.MinVersion = max(t.MinVersion, tls.VersionTLS12)
		// Short first records help a page over a slow network, of which there is
		// none here, and cost a system call each.
		t.DynamicRecordSizingDisabled = true
		t.GetConfigForClient = e.rawConfig
		e.tls = t
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	var err error
	if e.tunnels, err = newTunnels(e); err != nil {
		e.cancel()
		return nil, fmt.Errorf("make engine: %w", err)
	}
	empty, err := NewTable(nil)
	if err != nil {
		return nil, err
	}
	e.SetTable(empty)
	e.slow = newSlowRoad(e)
	e.clock.Go(e.watch)
	return e, nil
}

// SetTable puts a table to use. Requests under way go on as they were;
// connections to endpoints that the table still has are kept; requests that
// wait for a service look again.
func (e *Engine) SetTable(t *Table) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &snapshot{table: t, changed: make(chan struct{}), routes: make([]*route, len(t.services)), byID: make(map[string]*route, len(t.services))}
	used := map[Endpoint]bool{}
	for i := range t.services {
		svc := &t.services[i]
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
				e.pools[p] = newPool(e, p)
			}
			r.pools = append(r.pools, e.pools[p])
		}
		s.routes[i], s.byID[svc.ID] = r, r
	}
	for p, pool := range e.pools {
		if !used[p] {
			delete(e.pools, p)
			pool.retire()
		}
	}
	for id, u := range e.usage {
		if s.byID[id] == nil && u.open.Load() == 0 {
			delete(e.usage, id)
		}
	}
	old := e.snap.Swap(s)
	e.table = t
	if old != nil {
		close(old.changed)
	}
}

// Usage is what a service was asked so far.
type Usage struct {
	Requests uint64    // begun, tunnels included
	Open     int       // under way
	Last     time.Time // when the last one ended, to about a second; zero if none did
}

// Usage reports whether a service is in use, for those who stop it when idle.
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

// usage counts a service's requests.
type usage struct {
	requests atomic.Uint64
	open     atomic.Int64
	last     atomic.Int64
}

func (u *usage) begin() { u.requests.Add(1); u.open.Add(1) }

// tunnel is for a request that has become a tunnel, which ends for itself.
func (u *usage) tunnel() { u.open.Add(1) }

func (u *usage) end(now int64) { u.last.Store(now); u.open.Add(-1) }

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
	conns := make([]*h1conn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()
	for _, c := range conns {
		c.closeIfIdle()
	}
	e.tunnels.close()
	gone := make(chan struct{})
	go func() { // ends with the goroutines that it waits for, which the next lines end
		e.wg.Wait()
		close(gone)
	}()
	err := e.slow.shutdown(ctx)
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
	e.mu.Lock()
	for _, p := range e.pools {
		p.retire()
	}
	e.mu.Unlock()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
