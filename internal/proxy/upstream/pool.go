package upstream

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/proxy/buffers"
	"lodge/internal/proxy/policy"
	"lodge/internal/proxy/socket"
)

// Config is what pools and transports have in common.
type Config struct {
	// Check reports whether the process that listens at an address is the service;
	// see [Config.Dial]. Nil: it is.
	Check    func(netip.AddrPort) error
	DialTime time.Duration // to connect, TLS included
	KeepTime time.Duration // a connection is kept for so long while nothing uses it
	MaxIdle  int           // connections that are kept to one endpoint
	MaxHead  int           // bytes of the head of an answer
	Clock    *atomic.Int64 // nanoseconds since 1970; may be behind
	Buffers  *buffers.Pool
	// KeyLog takes the keys of TLS connections (crypto/tls.Config.KeyLogWriter); nil:
	// nothing does.
	KeyLog io.Writer
}

// Dial connects to an endpoint, if and while its listener is the service's. It is
// asked before and after: between the two the listener may have been closed and
// its address taken.
func (c *Config) Dial(ctx context.Context, to policy.Endpoint) (net.Conn, error) {
	if c.Check == nil || to.Path != "" {
		return c.connect(ctx, to)
	}
	if err := c.Check(to.Addr); err != nil {
		return nil, err
	}
	conn, err := c.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	if err := c.Check(to.Addr); err != nil {
		_ = conn.Close() // nothing was sent
		return nil, err
	}
	return conn, nil
}

func (c *Config) connect(ctx context.Context, to policy.Endpoint) (net.Conn, error) {
	d := net.Dialer{Timeout: c.DialTime}
	if to.Path != "" {
		return d.DialContext(ctx, "unix", to.Path)
	}
	return d.DialContext(ctx, "tcp", to.Addr.String())
}

// tlsConfig returns the settings for a service with TLS: it is on this machine,
// and its certificate is its own.
func (c *Config) tlsConfig() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, KeyLogWriter: c.KeyLog}
}

// Pool has the connections to one endpoint that nothing uses at the moment.
// There is no bound on those in use other than that on clients.
type Pool struct {
	cfg *Config
	to  policy.Endpoint

	mu      sync.Mutex // guards what follows
	idle    []*Conn    // the one used last is at the end, and is used next
	retired bool       // no table has the endpoint any more
}

// NewPool returns a pool without connections.
func NewPool(cfg *Config, to policy.Endpoint) *Pool { return &Pool{cfg: cfg, to: to} }

// Endpoint returns where the connections lead.
func (p *Pool) Endpoint() policy.Endpoint { return p.to }

// Take returns a kept connection, or nil. It may have been closed by the service:
// [Conn.Send] tells.
func (p *Pool) Take() *Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	u := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return u
}

// Put keeps a connection whose answer was read to its end.
func (p *Pool) Put(u *Conn) {
	// One with TLS gets tickets for new sessions at any time: that it is quiet
	// cannot be seen from the socket.
	if u.Reader.Buffered() > 0 || u.secure() {
		u.Close()
		return
	}
	keep := p.cfg.KeepTime
	if k := u.Head.KeepFor; k > 0 {
		keep = min(keep, max(0, k-time.Second)) // so that it is closed from here first
	}
	u.until = p.cfg.Clock.Load() + int64(keep)
	u.reused = true
	p.mu.Lock()
	if p.retired || len(p.idle) >= p.cfg.MaxIdle {
		p.mu.Unlock()
		u.Close()
		return
	}
	p.idle = append(p.idle, u)
	p.mu.Unlock()
}

// DropIdle closes all kept connections: where one of them was closed by the
// service, the others are likely to be.
func (p *Pool) DropIdle() {
	p.mu.Lock()
	old := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, u := range old {
		u.Close()
	}
}

// Expire closes what was kept for long enough.
func (p *Pool) Expire() {
	now := p.cfg.Clock.Load()
	var old []*Conn
	p.mu.Lock()
	kept := p.idle[:0]
	for _, u := range p.idle {
		if u.until < now {
			old = append(old, u)
		} else {
			kept = append(kept, u)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.mu.Unlock()
	for _, u := range old {
		u.Close()
	}
}

// Retire closes all kept connections, and those that are put back later.
func (p *Pool) Retire() {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.DropIdle()
}

// Dial makes a new connection for HTTP/1, over TLS where the endpoint wants that.
func (p *Pool) Dial(ctx context.Context) (*Conn, error) {
	c, err := p.cfg.Dial(ctx, p.to)
	if err != nil {
		return nil, err
	}
	s, err := socket.New(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	u := &Conn{pool: p, socket: &s, conn: c}
	if p.to.Protocol == policy.HTTPS {
		t := p.cfg.tlsConfig()
		t.NextProtos = []string{"http/1.1"}
		secure := tls.Client(u.socket, t)
		ctx, cancel := context.WithTimeout(ctx, p.cfg.DialTime)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}
		u.conn = secure
	}
	u.Reader.Open(u.conn, p.cfg.Buffers)
	u.step = u.write
	return u, nil
}
