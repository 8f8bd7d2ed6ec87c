package proxy

import "time"

// watch is the engine's clock and its only timer: it ends connections that are
// due, ends what is done for clients that have gone, and closes connections to
// services that were kept long enough. A timer for each connection would cost
// more than all else that is done for a small request.
func (e *Engine) watch() {
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

// tick is how often the watch looks: a quarter of the shortest limit, so that
// no limit is far off, and at most a second.
func (l *Limits) tick() time.Duration {
	t := min(l.HeadTime, l.IdleTime, l.StallTime, l.KeepTime) / 4
	return min(max(t, 5*time.Millisecond), time.Second)
}

func (e *Engine) look(now int64) {
	e.now.Store(now)
	var due, waiting []*h1conn
	e.mu.Lock()
	for c := range e.conns {
		if overdue(c.due.Load(), now) || overdue(c.readDue.Load(), now) {
			due = append(due, c)
		} else if w := c.wait.Load(); w != 0 && now-w >= int64(time.Second) {
			waiting = append(waiting, c)
		}
	}
	pools := make([]*pool, 0, len(e.pools))
	for _, p := range e.pools {
		pools = append(pools, p)
	}
	e.mu.Unlock()
	for _, c := range due {
		c.abort()
	}
	for _, c := range waiting {
		if clientGone(c.low.raw) {
			c.depart()
		}
	}
	for _, p := range pools {
		p.expire(now)
	}
	e.tunnels.expire(now - int64(e.lim.StallTime))
}

func overdue(due, now int64) bool { return due != 0 && due < now }
