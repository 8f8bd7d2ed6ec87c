package proxy

import (
	"context"
	"net"
	"sync"
	"syscall"
	"time"
)

// pool has the connections to one endpoint that nothing uses at the moment.
// There is no bound on those in use other than that on clients.
type pool struct {
	e  *Engine
	to Endpoint

	mu      sync.Mutex // guards what follows
	idle    []*upConn  // the one used last is at the end, and is used next
	retired bool       // no table has the endpoint any more
}

func newPool(e *Engine, to Endpoint) *pool { return &pool{e: e, to: to} }

// take returns a kept connection, or nil. It may have been closed by the service:
// send tells.
func (p *pool) take() *upConn {
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

// put keeps a connection whose answer was read to its end.
func (p *pool) put(u *upConn) {
	if u.br.Buffered() > 0 {
		u.close()
		return
	}
	u.until = p.e.now.Load() + int64(u.keep)
	u.reused = true
	p.mu.Lock()
	if p.retired || len(p.idle) >= p.e.lim.Idle {
		p.mu.Unlock()
		u.close()
		return
	}
	p.idle = append(p.idle, u)
	p.mu.Unlock()
}

// dropIdle closes all kept connections: where one of them was closed by the
// service, the others are likely to be.
func (p *pool) dropIdle() {
	p.mu.Lock()
	old := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, u := range old {
		u.close()
	}
}

// expire closes what was kept for long enough.
func (p *pool) expire(now int64) {
	var old []*upConn
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
		u.close()
	}
}

func (p *pool) retire() {
	p.mu.Lock()
	p.retired = true
	p.mu.Unlock()
	p.dropIdle()
}

// dial makes a new connection.
func (p *pool) dial(ctx context.Context) (*upConn, error) {
	c, err := p.e.dial(ctx, p.to)
	if err != nil {
		return nil, err
	}
	u := &upConn{e: p.e, pool: p, c: c, keep: p.e.lim.KeepTime, br: p.e.buffers.reader(c)}
	if sc, ok := c.(syscall.Conn); ok {
		u.raw, err = sc.SyscallConn()
	}
	if err != nil {
		u.close()
		return nil, err
	}
	u.step = u.write
	return u, nil
}

// dial connects to an endpoint, if and while its listener is the service's. It is
// asked before and after: between the two the listener may have been closed and
// its address taken.
func (e *Engine) dial(ctx context.Context, to Endpoint) (net.Conn, error) {
	if e.cfg.Check == nil || to.Path != "" {
		return to.dial(ctx, e.lim.DialTime)
	}
	if err := e.cfg.Check(to.Addr); err != nil {
		return nil, err
	}
	c, err := to.dial(ctx, e.lim.DialTime)
	if err != nil {
		return nil, err
	}
	if err := e.cfg.Check(to.Addr); err != nil {
		_ = c.Close() // nothing was sent
		return nil, err
	}
	return c, nil
}

func (p Endpoint) dial(ctx context.Context, limit time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: limit}
	if p.Path != "" {
		return d.DialContext(ctx, "unix", p.Path)
	}
	return d.DialContext(ctx, "tcp", p.Addr.String())
}
