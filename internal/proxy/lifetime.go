package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/proxy/socket"
	"lodge/internal/proxy/upstream"
)

// lifetime says when a connection on the fast path ends, and ends what is done for
// its client. keepTime looks at it.
type lifetime struct {
	clock   *atomic.Int64
	due     atomic.Int64 // the connection is closed then, by clock; 0: never
	readDue atomic.Int64 // the same for a body that is awaited
	wait    atomic.Int64 // since when the client has nothing to do but wait; 0: it has
	idle    atomic.Bool  // between requests

	mu   sync.Mutex     // guards what follows
	up   *upstream.Conn // closed when the client goes
	gone chan struct{}  // closed when the client goes; nil until it is asked for
	left bool           // the client has gone
}

// deadline has the connection closed after a time.
func (l *lifetime) deadline(d time.Duration) { l.due.Store(l.clock.Load() + int64(d)) }

// waits notes that the client waits from now on, or, with false, that it does not.
func (l *lifetime) waits(on bool) {
	if on {
		l.wait.Store(l.clock.Load())
	} else {
		l.wait.Store(0)
	}
}

// depart is called when the client has gone, to end what is done for it.
func (l *lifetime) depart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return
	}
	l.left = true
	if l.up != nil {
		l.up.Abort()
	}
	if l.gone != nil {
		close(l.gone)
	}
}

// use is sender's.
func (l *lifetime) use(u *upstream.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = u
	return !l.left
}

// goneChan is sender's.
func (l *lifetime) goneChan() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone == nil {
		l.gone = make(chan struct{})
		if l.left {
			close(l.gone)
		}
	}
	return l.gone
}

// keepTime is the engine's clock and its only timer: it ends connections that are
// due, ends what is done for clients that have gone, and closes connections to
// services that were kept long enough. A timer for each connection would cost
// more than all else that is done for a small request.
func (e *Engine) keepTime() {
	tick := time.NewTicker(e.lim.tick())
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.look(time.Now().UnixNano())
		case <-e.ctx.Done():
			return
		}
	}
}

// tick is how often keepTime looks: a quarter of the shortest limit, so that
// no limit is far off, and at most a second.
func (l *Limits) tick() time.Duration {
	t := min(l.HeadTime, l.IdleTime, l.StallTime, l.KeepTime) / 4
	return min(max(t, 5*time.Millisecond), time.Second)
}

func (e *Engine) look(now int64) {
	e.now.Store(now)
	var due, waiting []*fastConn
	e.mu.Lock()
	for c := range e.conns {
		if overdue(c.due.Load(), now) || overdue(c.readDue.Load(), now) {
			due = append(due, c)
		} else if w := c.wait.Load(); w != 0 && now-w >= int64(time.Second) {
			waiting = append(waiting, c)
		}
	}
	pools := make([]*upstream.Pool, 0, len(e.pools))
	for _, p := range e.pools {
		pools = append(pools, p)
	}
	e.mu.Unlock()
	for _, c := range due {
		c.abort()
	}
	for _, c := range waiting {
		if socket.Gone(c.accepted.Raw) {
			c.depart()
		}
	}
	for _, p := range pools {
		p.Expire()
	}
	e.tunnels.Expire()
}

func overdue(due, now int64) bool { return due != 0 && due < now }
