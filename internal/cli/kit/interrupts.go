package kit

import (
	"cmp"
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
	// exit, if it is not nil, is called then instead.
	exit func(status int)
	once sync.Once

	mu       sync.Mutex       // guards what follows
	to       chan<- os.Signal // nil: signals end the command
	patience time.Duration    // 0: InterruptPatience
}

// newInterrupts returns a context that ends at a signal, once begin was called. The
// caller calls stop.
func newInterrupts(ctx context.Context) (context.Context, *interrupts) {
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, &interrupts{cancel: cancel, done: make(chan struct{}), leave: make(chan *Interrupted, 1)}
}

// begin catches signals from here on.
func (in *interrupts) begin() {
	in.once.Do(func() {
		ch := make(chan os.Signal, 8)
		signal.Notify(ch, ending.Signals()...)
		in.ended.Go(func() {
			defer signal.Stop(ch)
			in.run(ch)
		})
	})
}

func (in *interrupts) run(ch <-chan os.Signal) {
	var first *Interrupted
	var patience <-chan time.Time
	for {
		select {
		case s := <-ch:
			in.mu.Lock()
			to, wait := in.to, cmp.Or(in.patience, InterruptPatience)
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
				patience = time.After(wait)
			default:
				in.left(&Interrupted{n})
				return
			}
		case <-patience:
			in.left(first)
			return
		case <-in.done:
			return
		}
	}
}

// left says that the command is not waited for any more.
func (in *interrupts) left(by *Interrupted) {
	if in.exit != nil {
		in.exit(by.Status())
		return
	}
	in.leave <- by
}

// SetPatience sets how long the command has to end after a signal, where it has more to
// write than others. A second signal ends it at once all the same.
func (k *Kit) SetPatience(d time.Duration) {
	if in := k.signals; in != nil {
		in.mu.Lock()
		defer in.mu.Unlock()
		in.patience = d
	}
}

// TakeSignals makes the signals that end a command go to ch instead, until release is called.
func (k *Kit) TakeSignals(ch chan<- os.Signal) (release func()) { return k.signals.take(ch) }

// take makes signals go to ch, and not end the command, until release is called.
func (in *interrupts) take(ch chan<- os.Signal) (release func()) {
	in.begin()
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
	in.once.Do(func() {}) // nothing is caught any more where nothing was
	close(in.done)
	in.ended.Wait()
	in.cancel(nil)
}

// brevity is how long a brief command leaves signals alone.
const brevity = 200 * time.Millisecond

// Run runs a command line until it ends, or a signal says that
// it is not waited for, and returns the exit status.
func (k *Kit) Run(ctx context.Context, execute func(context.Context) error) int {
	ctx, k.signals = newInterrupts(ctx)
	defer k.signals.stop()
	k.signals.begin()
	code := make(chan int, 1)
	go func() { code <- finish(ctx, k.Err, execute(ctx)) }()
	select {
	case n := <-code:
		return n
	case by := <-k.signals.leave:
		return by.Status()
	}
}

// RunBrief is [Kit.Run] for a command that is mostly over within some milliseconds, of
// which catching signals and a second stack would be a fifth. For a moment signals end
// the process, as they do any program that has nothing to end; then they are caught,
// and Env.Exit ends the process where the command is not waited for.
func (k *Kit) RunBrief(ctx context.Context, execute func(context.Context) error) int {
	ctx, k.signals = newInterrupts(ctx)
	defer k.signals.stop()
	k.signals.exit = k.Env.Exit
	defer time.AfterFunc(brevity, k.signals.begin).Stop()
	return finish(ctx, k.Err, execute(ctx))
}

// CatchSignals makes a command that was thought to be brief catch signals from here on.
func (k *Kit) CatchSignals() { k.signals.begin() }
