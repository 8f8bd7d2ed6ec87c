package helper

import (
	"context"
	"sync"
)

// order has calls about the same thing done in the order in which they came.
type order struct {
	mu    sync.Mutex // guards lines
	lines map[string][]*turn
}

// turn is a call's place in a line. The zero turn is in none: its time is now.
type turn struct {
	order *order
	key   string
	now   chan struct{} // closed when its time has come
}

func newOrder() *order { return &order{lines: map[string][]*turn{}} }

// join puts a call at the end of the line of a key; it does not wait. leave must
// be called on what it returns.
func (o *order) join(key string) *turn {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &turn{order: o, key: key, now: make(chan struct{})}
	o.lines[key] = append(o.lines[key], t)
	if len(o.lines[key]) == 1 {
		close(t.now)
	}
	return t
}

// wait returns when all that joined before have left, or with the cause of the
// end of ctx.
func (t *turn) wait(ctx context.Context) error {
	if t == nil {
		return nil
	}
	select {
	case <-t.now:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// leave ends the turn, also one whose time has not come.
func (t *turn) leave() {
	if t == nil {
		return
	}
	o := t.order
	o.mu.Lock()
	defer o.mu.Unlock()
	line := o.lines[t.key]
	for i, other := range line {
		if other != t {
			continue
		}
		line = append(line[:i:i], line[i+1:]...)
		if i == 0 && len(line) > 0 {
			close(line[0].now)
		}
	}
	if len(line) == 0 {
		delete(o.lines, t.key)
		return
	}
	o.lines[t.key] = line
}
