package keeper

import "sync"

// life is whether the keeper goes on: which requests that start something are under
// way, and whether the end is decided.
type life struct {
	quit chan struct{} // closed when the keeper should end
	once sync.Once
	// hard is closed when nothing may have time to end by itself.
	hard     chan struct{}
	hardOnce sync.Once

	mu     sync.Mutex // guards what follows
	busy   int        // requests under way that may start something
	served bool       // the last of them was not just a definition
	ending bool       // nothing is begun any more
}

func newLife() *life { return &life{quit: make(chan struct{}), hard: make(chan struct{})} }

// stop makes the keeper end.
func (l *life) stop() {
	l.mu.Lock()
	l.ending = true
	l.mu.Unlock()
	l.once.Do(func() { close(l.quit) })
}

// stopHard makes the keeper end now, with everything that runs.
func (l *life) stopHard() {
	l.hardOnce.Do(func() { close(l.hard) })
	l.stop()
}

// starts reports whether an operation may start or end something, so that the
// keeper must not end meanwhile.
func starts(op string) bool {
	switch op {
	case "up", "restart", "exec", "define", "stop", "rest":
		return true
	}
	return false
}

// begin notes a request. It refuses one that comes when the end is decided:
// the client sees the connection end, and asks the next keeper. What only
// reads is answered to the last.
func (l *life) begin(op string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if op == "down" {
		l.ending = true
	}
	if !starts(op) {
		return op != "status" || !l.ending
	}
	if l.ending {
		return false
	}
	l.busy++
	l.served = op != "define" // what was defined is about to be started, by another request
	return true
}

// finish ends a request that begin noted. It reports whether the keeper may have
// become idle by it.
func (l *life) finish(op string) bool {
	if !starts(op) {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	return true
}

// waits reports whether a request was served and none is under way.
func (l *life) waits() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.served && l.busy == 0
}

// endIf decides on the end, if no request is under way and idle reports true:
// whatever is begun before it counts, and nothing is begun after it.
func (l *life) endIf(idle func() bool) bool {
	l.mu.Lock()
	end := l.busy == 0 && idle()
	l.ending = l.ending || end
	l.mu.Unlock()
	if end {
		l.stop()
	}
	return end
}
