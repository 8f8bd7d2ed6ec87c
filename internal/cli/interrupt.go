package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"time"

	"lodge/internal/ending"

	"golang.org/x/sys/unix"
)

// interrupted is the end of a command by a signal.
type interrupted struct{ signal unix.Signal }

func (e *interrupted) Error() string { return "ended by a signal: " + e.signal.String() }

// status is the exit status of a command that a signal ended, as shells have it.
func (e *interrupted) status() int { return 128 + int(e.signal) }

// interruptPatience is how long a command has to end after a signal.
const interruptPatience = 2 * time.Second

// interrupts makes signals end a command, the same way for every command: the
// first one ends its context, with *interrupted as the cause; when the command
// has not returned a moment later, or at a second signal, it is left alone. A
// command that does something else with signals takes them.
type interrupts struct {
	cancel context.CancelCauseFunc
	done   chan struct{} // closed by stop
	ended  sync.WaitGroup
	// leave gets the signal at which the command is waited for no more.
	leave chan *interrupted

	mu sync.Mutex       // guards to
	to chan<- os.Signal // nil: signals end the command
}

// catchInterrupts returns a context that ends at a signal. The caller calls stop.
func catchInterrupts(ctx context.Context) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancelCause(ctx)
	in := &interrupts{cancel: cancel, done: make(chan struct{}), leave: make(chan *interrupted, 1)}
	ch := make(chan os.Signal, 8)
	signal.Notify(ch, ending.Signals()...)
	in.ended.Go(func() {
		defer signal.Stop(ch)
		in.run(ch)
	})
	return ctx, in
}

func (in *interrupts) run(ch <-chan os.Signal) {
	var first *interrupted
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
				first = &interrupted{n}
				in.cancel(first)
				patience = time.After(interruptPatience)
			default:
				in.leave <- &interrupted{n}
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

// serving returns a context for a process that serves others: signals end it,
// and it has all the time that it needs for that.
func (a *app) serving(ctx context.Context) (serving context.Context, stop func()) {
	ch := make(chan os.Signal, 1)
	release := a.signals.take(ch)
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

// finish is the exit status of a command that returned err: that of the signal,
// where one ended it.
func (a *app) finish(ctx context.Context, err error) int {
	var by *interrupted
	if !errors.As(err, &by) && !errors.As(context.Cause(ctx), &by) {
		return a.status(err)
	}
	var ex *exitError
	if errors.As(err, &ex) {
		return ex.code
	}
	return by.status()
}

// untilInterrupted runs the command line until it ends, or a signal says that
// it is not waited for.
func (a *app) untilInterrupted(ctx context.Context, execute func(context.Context) error) int {
	ctx, a.signals = catchInterrupts(ctx)
	defer a.signals.stop()
	code := make(chan int, 1)
	go func() { code <- a.finish(ctx, execute(ctx)) }()
	select {
	case n := <-code:
		return n
	case by := <-a.signals.leave:
		return by.status()
	}
}
