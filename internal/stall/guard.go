package stall

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Error says that a process did not answer because it does not run.
type Error struct {
	// Role is which process of lodge's it is, such as "the daemon".
	Role string
	Halt
	// Or is what can be done without it, or ""; PID in it stands for the process.
	Or string
}

func (e *Error) Error() string {
	return fmt.Sprintf("ask %s: process %d is %s", e.Role, e.PID, e.Reason())
}

// Hint reports what makes the process answer, and what can be done without it.
func (e *Error) Hint() string {
	if e.Or == "" {
		return e.Halt.Hint()
	}
	return e.Halt.Hint() + "; or " + strings.ReplaceAll(e.Or, "PID", strconv.Itoa(e.PID))
}

// Peer is a process that is waited for.
type Peer struct {
	Role string
	Or   string
	// PID returns the process, or 0 as long as it is not known.
	PID func() int
}

// Of makes the error for a peer that does not run.
func (p Peer) Of(h Halt) *Error { return &Error{Role: p.Role, Halt: h, Or: p.Or} }

// Look reports whether the peer does not run, now.
func (p Peer) Look() (*Error, bool) {
	h, ok := Look(p.PID())
	return p.Of(h), ok
}

// When a peer is looked at while it is waited for: soon, since what is stopped
// mostly was before it was asked, and then less and less often. What is found
// halted is looked at again before it counts.
const (
	firstLook = 200 * time.Millisecond
	mostLook  = 2 * time.Second
	nextLook  = 200 * time.Millisecond
	// needLooks is how often in a row a process is found halted before it
	// counts; needBlocked is that for state D, which mostly passes.
	needLooks   = 2
	needBlocked = 8
)

// Guard returns a context for a call that waits for the peer's answer: it ends,
// with an *Error as its cause, once the peer is found not to run. A peer that
// runs and is only slow is waited for as long as ctx says. The caller calls
// done when the call is over.
func Guard(ctx context.Context, p Peer) (guarded context.Context, done func()) {
	return guard(ctx, p, func(Halt) bool { return true })
}

// GuardStart is Guard for a process that was just started and has not said yet
// that it is ready. State D does not end it: a slow disk from which programs are
// read passes, and nothing is lost by waiting.
func GuardStart(ctx context.Context, pid int) (guarded context.Context, done func()) {
	p := Peer{Role: "it", PID: func() int { return pid }}
	return guard(ctx, p, func(h Halt) bool { return h.State != Blocked })
}

// guard is Guard for the halts that count.
func guard(ctx context.Context, p Peer, counts func(Halt) bool) (guarded context.Context, done func()) {
	guarded, cancel := context.WithCancelCause(ctx)
	stop := watch(p, func(h Halt) bool {
		if !counts(h) {
			return true
		}
		cancel(p.Of(h))
		return false
	})
	return guarded, func() {
		stop()
		cancel(nil)
	}
}

// Tell calls tell each time that the peer is found not to run, once until it
// runs again. It is for answers that come piece by piece, with any time between
// them. No call of tell begins after stop has returned.
func Tell(p Peer, tell func(*Error)) (stop func()) {
	return watch(p, func(h Halt) bool {
		tell(p.Of(h))
		return true
	})
}

// Cause returns the *Error that ended a guarded context, or err.
func Cause(ctx context.Context, err error) error {
	var e *Error
	if errors.As(context.Cause(ctx), &e) {
		return e
	}
	return err
}

// watch looks at the peer until halted returns false or stop is called.
func watch(p Peer, halted func(Halt) bool) (stop func()) {
	w := &watcher{peer: p, halted: halted, wait: firstLook}
	w.mu.Lock()
	w.timer = time.AfterFunc(w.wait, w.look)
	w.mu.Unlock()
	return w.stop
}

type watcher struct {
	peer   Peer
	halted func(Halt) bool

	mu    sync.Mutex // guards what follows; held while halted is called
	timer *time.Timer
	over  bool
	wait  time.Duration
	seen  int  // halted looks in a row
	told  bool // of these
}

func (w *watcher) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	w.timer.Stop()
}

func (w *watcher) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		return
	}
	h, ok := Look(w.peer.PID())
	switch {
	case !ok:
		w.seen, w.told = 0, false
		w.wait = min(2*w.wait, mostLook)
	default:
		w.seen++
		w.wait = nextLook
		need := needLooks
		if h.State == Blocked {
			need = needBlocked
		}
		if w.seen >= need {
			w.wait = mostLook
			if !w.told {
				w.told = true
				w.over = !w.halted(h)
			}
		}
	}
	if !w.over {
		w.timer.Reset(w.wait)
	}
}
