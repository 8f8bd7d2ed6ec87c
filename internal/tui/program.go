package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/logs"
	"lodge/internal/sockets/track"
	"lodge/internal/tui/screen"
)

// Terminal is where top is shown. Both files must be terminals.
type Terminal struct {
	In, Out *os.File
	// Signals are those that this process gets: SIGTSTP suspends, any other
	// ends. The channel stays the caller's.
	Signals <-chan os.Signal
	// CanSuspend reports whether a shell would continue a process that was
	// suspended.
	CanSuspend func() bool
}

// Stopped is the end of top by a signal.
type Stopped struct{ Signal os.Signal }

func (s *Stopped) Error() string { return "stopped by signal: " + s.Signal.String() }

// Run shows top until the user quits or ctx ends. The terminal is restored when Run
// returns, whatever ended it. After a signal the error is a [*Stopped].
func Run(ctx context.Context, src Source, opt Options, t Terminal) error {
	u, err := newUI(opt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &program{
		ctx: ctx, cancel: cancel, u: u, src: src, frames: newTracker(src, opt.Interval), canSuspend: t.CanSuspend,
		term: screen.NewTerminal(t.In, t.Out), msgs: make(chan any, 64), asked: map[int]context.CancelFunc{},
	}
	defer p.wg.Wait()
	defer cancel()
	return p.run(t)
}

// program connects the ui with the terminal and the source. One goroutine, that of
// Run, uses the ui and the screen; the others read, and send it messages.
type program struct {
	ctx        context.Context
	cancel     context.CancelFunc
	u          *ui
	src        Source
	term       *screen.Terminal
	frames     *track.Tracker[*Frame]
	canSuspend func() bool
	msgs       chan any
	// wg counts the goroutines that start made; Run waits for them.
	wg sync.WaitGroup
	// asked cancels the request of each pane, by its number.
	asked map[int]context.CancelFunc
}

// The messages.
type (
	frameMsg     struct{ frame *Frame }
	failedMsg    struct{ err error }
	explainedMsg struct {
		pane   int
		answer string
		err    error
	}
	loggedMsg struct {
		pane  int
		lines *screen.Buffer[logs.Line]
	}
	unfollowedMsg struct {
		pane int
		err  error
	}
	endedMsg struct {
		end  end
		gone bool
		err  error
	}
	// overMsg ends the program.
	overMsg struct{ err error }
)

// errQuit is the end that the user asked for.
var errQuit = errors.New("quit")

// errPanic is what a panic becomes once the terminal is restored.
var errPanic = errors.New("show top: a mistake in lodge itself")

func (p *program) run(t Terminal) (err error) {
	stop, wake, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("show top: %w", err)
	}
	defer stop.Close()
	defer wake.Close()
	if err := p.term.Enter(); err != nil {
		_ = p.term.Leave()
		return fmt.Errorf("show top: %w", err)
	}
	// This runs last: what is printed after it is on the screen that was there
	// before, a panic too.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())
		}
		if e := p.term.Leave(); e != nil && err == nil {
			err = fmt.Errorf("show top: %w", e)
		}
	}()
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, unix.SIGWINCH)
	defer signal.Stop(winch)
	keyboardOver := make(chan struct{})
	defer func() { // before the terminal is left
		p.cancel() // no message is taken any more
		_ = wake.Close()
		<-keyboardOver
	}()
	p.start(func() {
		defer close(keyboardOver)
		err := screen.Keyboard(t.In, stop, func(e screen.Event) bool { p.send(e); return p.ctx.Err() == nil })
		if err != nil {
			p.send(overMsg{err})
		}
	})
	p.start(func() { sendFrames(p.ctx, p.frames, p.send) })
	p.u.Resize(p.term.Size())
	err = p.loop(t.Signals, winch)
	if errors.Is(err, errQuit) {
		err = nil
	}
	return err
}

// loop takes messages one by one, and paints when there is none left.
func (p *program) loop(signals, winch <-chan os.Signal) error {
	for {
		if err := p.term.Paint(p.u.Lines(), p.u.opt.Color); err != nil {
			return fmt.Errorf("show top: %w", err)
		}
		select {
		case m := <-p.msgs:
			if err := p.take(m); err != nil {
				return err
			}
			for range len(p.msgs) {
				if err := p.take(<-p.msgs); err != nil {
					return err
				}
			}
		case <-winch:
			p.resize()
		case s := <-signals:
			if s != unix.SIGTSTP {
				return &Stopped{s}
			}
			if err := p.do([]effect{suspend{}}); err != nil {
				return err
			}
		case <-p.ctx.Done():
			return p.ctx.Err()
		}
	}
}

func (p *program) resize() {
	p.term.Measure()
	p.u.Resize(p.term.Size())
}

// send sends a message to the loop, and drops it once the loop has ended.
func (p *program) send(m any) {
	select {
	case p.msgs <- m:
	case <-p.ctx.Done():
	}
}

// take passes a message to the ui.
func (p *program) take(m any) error {
	switch m := m.(type) {
	case screen.Event:
		if m.Pasted {
			p.u.Paste(m.Paste)
			return nil
		}
		return p.do(p.u.Key(m.Key))
	case frameMsg:
		p.u.Frame(m.frame)
	case failedMsg:
		p.u.Failed(m.err)
	case explainedMsg:
		p.u.Explained(m.pane, m.answer, m.err)
	case loggedMsg:
		ls, skipped := m.lines.Take()
		p.u.Logged(m.pane, ls, skipped)
	case unfollowedMsg:
		p.u.Unfollowed(m.pane, m.err)
	case endedMsg:
		return p.do(p.u.Ended(m.end, m.gone, m.err))
	case overMsg:
		return m.err
	}
	return nil
}

// do carries out what the ui asks for.
func (p *program) do(es []effect) error {
	for _, e := range es {
		switch e := e.(type) {
		case quit:
			return errQuit
		case suspend:
			if err := p.suspend(); err != nil {
				return err
			}
		case redraw:
			p.term.Forget()
		case refresh:
			p.frames.Now()
		case hold:
			p.frames.Hold(e.paused)
		case leave:
			if stop, ok := p.asked[e.pane]; ok {
				stop()
				delete(p.asked, e.pane)
			}
		case explain:
			ctx := p.ask(e.pane)
			p.start(func() {
				answer, err := p.src.Explain(ctx, e.address)
				p.send(explainedMsg{e.pane, answer, err})
			})
		case follow:
			ctx := p.ask(e.pane)
			p.start(func() { p.follow(ctx, e) })
		case end:
			p.start(func() {
				gone, err := p.src.End(p.ctx, e.process, e.hard)
				p.send(endedMsg{e, gone, err})
			})
		}
	}
	return nil
}

// suspend restores the terminal and stops this process group until a shell
// continues it. It uses SIGSTOP: a Go program that has caught SIGTSTP once cannot
// have its default action again.
func (p *program) suspend() error {
	if p.canSuspend == nil || !p.canSuspend() {
		p.u.foot.say(screen.Warn, "cannot be suspended: no shell would continue it")
		return nil
	}
	if err := p.term.Leave(); err != nil {
		return fmt.Errorf("show top: %w", err)
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	// All threads stop a little later than kill returns.
	if err := unix.Kill(0, unix.SIGSTOP); err == nil {
		<-continued
	}
	if err := p.term.Enter(); err != nil {
		return fmt.Errorf("show top: %w", err)
	}
	p.u.Resize(p.term.Size())
	p.frames.Now()
	return nil
}

// ask returns the context of a request of a pane, and cancels the one before.
func (p *program) ask(pane int) context.Context {
	if stop, ok := p.asked[pane]; ok {
		stop()
	}
	ctx, stop := context.WithCancel(p.ctx)
	p.asked[pane] = stop
	return ctx
}

// linesHeld bounds the lines of a service that wait for the screen.
const linesHeld = 5000

// follow sends the lines of a service to the loop, in batches if they come faster
// than it takes them.
func (p *program) follow(ctx context.Context, e follow) {
	buf := screen.NewBuffer[logs.Line](linesHeld)
	err := p.src.Logs(ctx, e.project, e.service, func(l logs.Line) error {
		if ctx.Err() != nil {
			return errStopped
		}
		if buf.Add(l) {
			p.send(loggedMsg{e.pane, buf})
		}
		return nil
	})
	if ctx.Err() == nil {
		p.send(unfollowedMsg{e.pane, err})
	}
}

// start runs f in a goroutine that Run waits for. A panic in it ends the
// program, with the terminal restored first.
func (p *program) start(f func()) {
	p.wg.Add(1)
	go func() {
		defer p.wg.Done()
		defer func() {
			if r := recover(); r != nil {
				p.send(overMsg{fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())})
			}
		}()
		f()
	}()
}
