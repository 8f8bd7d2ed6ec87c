package kit

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/ending"
)

// InterruptPatience is how long a command has to end after a signal.
const InterruptPatience = 2 * time.Second

// interrupts makes signals end a command, the same way for every command: the
// first one ends its context, with [*Interrupted] as the cause; when the command
// has not returned a moment later, or at a second signal, it is left alone. A
// command that does something else with signals takes them.
type interrupts struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed by stop
	ended  sync.WaitGroup
	// leave gets the signal at which the command is waited for no more.
	leave chan *Interrupted

	mu sync.Mutex       // guards to
	to chan<- os.Signal // nil: signals end the command
}

// catchInterrupts returns a context that ends at a signal. The caller calls stop.
func catchInterrupts(ctx context.Context) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancelCause(ctx)
	in := &interrupts{cancel: cancel, done: make(chan struct{}), leave: make(chan *Interrupted, 1)}
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, ending.Signals()...)
	in.ended.Go(func() {
		defer signal.Stop(ch)
		in.run(ch)
	})
	return ctx, in
}

func (in *interrupts) run(ch <-chan os.Signal) {
	var first *Interrupted
	var patience <-chan time.Time
	for {
		select {
		case s := <-ch:
			in.mu.Lock()
			to := in.to
			in.mu.Unlock()
			n, ok := s.(unix.Signal)
			switch {
			case to != nil:
				select {
				case to <- s:
				default: // it has more than it takes
				}
			case !ok:
			case first == nil:
				first = &Interrupted{n}
				in.cancel(first)
				patience = time.After(InterruptPatience)
			default:
				in.leave <- &Interrupted{n}
				return
			}
		case <-patience:
			in.leave <- first
			return
		case <-in.done:
			return
		}
	}
}

// Serving returns a context for a process that serves others: signals end it,
// and it has all the time that it needs for that.
func (k *Kit) Serving(ctx context.Context) (serving context.Context, stop func()) {
	ch := make(chan os.Signal, 1)
	release := k.TakeSignals(ch)
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		select {
		case <-ch:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel()
		release()
	}
}

// TakeSignals makes the signals that end a command go to ch instead, until release is called.
func (k *Kit) TakeSignals(ch chan<- os.Signal) (release func()) { return k.signals.take(ch) }

// take makes signals go to ch, and not end the command, until release is called.
func (in *interrupts) take(ch chan<- os.Signal) (release func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.to = ch
	return func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.to = nil
	}
}

func (in *interrupts) stop() {
	close(in.done)
	in.ended.Wait()
	in.cancel(nil)
}

// Run runs a command line until it ends, or a signal says that
// it is not waited for, and returns the exit status.
func (k *Kit) Run(ctx context.Context, execute func(context.Context) error) int {
	ctx, k.signals = catchInterrupts(ctx)
	defer k.signals.stop()
	code := make(chan int, 1)
	go func() {
		growStack(false)
		code <- finish(ctx, k.Err, execute(ctx))
	}()
	select {
	case n := <-code:
		return n
	case by := <-k.signals.leave:
		return by.Status()
	}
}
