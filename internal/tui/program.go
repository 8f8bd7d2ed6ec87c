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
)

// Terminal is where top is shown. Both files must be terminals.
type Terminal struct {
	In, Out *os.File
	// Signals are those that this process gets: SIGTSTP suspends, any other
	// ends. The channel stays the caller's.
	Signals <-chan os.Signal
	// CanSuspend reports whether somebody would continue a process that was
	// suspended.
	CanSuspend func() bool
}

// Stopped is the end of top by a signal.
type Stopped struct{ Signal os.Signal }

func (s *Stopped) Error() string { return "stopped by signal: " + s.Signal.String() }

// Run shows top until the person quits or ctx ends. The terminal is as it was
// when Run returns, whatever ended it. A signal gives *Stopped.
func Run(ctx context.Context, src Source, opt Options, t Terminal) error {
	u, err := newUI(opt)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &program{
		ctx: ctx, cancel: cancel, u: u, src: src, frames: newTracker(src, opt.Interval), canSuspend: t.CanSuspend,
		term: &terminal{in: t.In, out: t.Out}, msgs: make(chan any, 64), asked: map[int]context.CancelFunc{},
	}
	defer p.wg.Wait()
	defer cancel()
	return p.run(t)
}

// program connects the state of the screen with the terminal and the source.
// One goroutine, that of Run, has the state and the screen; the others read,
// and send it messages.
type program struct {
	ctx        context.Context
	cancel     context.CancelFunc
	u          *ui
	src        Source
	term       *terminal
	frames     *track.Tracker[*Frame]
	canSuspend func() bool
	msgs       chan any
	// wg counts the goroutines that start made; Run waits for them.
	wg sync.WaitGroup
	// asked ends what was asked for a pane.
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
		lines *lineBuffer
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

// errQuit is the end that the person asked for.
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
	if err := p.term.enter(); err != nil {
		_ = p.term.leave()
		return fmt.Errorf("show top: %w", err)
	}
	// The last thing: what is printed from here on stands on the screen that
	// was there before. A panic is printed, too.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, r, debug.Stack())
		}
		if e := p.term.leave(); e != nil && err == nil {
			err = fmt.Errorf("show top: %w", e)
		}
	}()
	winch := make(chan os.Signal, 1)
	signal.Notify(winch, unix.SIGWINCH)
	defer signal.Stop(winch)
	keyboardOver := make(chan struct{})
	defer func() { // before the terminal is left
		p.cancel() // nobody takes messages any more
		_ = wake.Close()
		<-keyboardOver
	}()
	p.start(func() {
		defer close(keyboardOver)
		err := keyboard(p.term.in, stop, func(e keyEvent) bool { p.send(e); return p.ctx.Err() == nil })
		if err != nil {
			p.send(overMsg{err})
		}
	})
	p.start(func() { sendFrames(p.ctx, p.frames, p.send) })
	p.u.Resize(p.term.width, p.term.height)
	err = p.loop(t.Signals, winch)
	if errors.Is(err, errQuit) {
		err = nil
	}
	return err
}

// loop takes messages one by one and paints when there is none left to take.
func (p *program) loop(signals, winch <-chan os.Signal) error {
	for {
		if err := p.term.paint(p.u.Lines(), p.u.opt.Color); err != nil {
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
	p.term.measure()
	p.u.Resize(p.term.width, p.term.height)
}

// send hands a message to the loop. When the loop is over it goes nowhere.
func (p *program) send(m any) {
	select {
	case p.msgs <- m:
	case <-p.ctx.Done():
	}
}

// take changes the state as a message says.
func (p *program) take(m any) error {
	switch m := m.(type) {
	case keyEvent:
		if m.pasted {
			p.u.Paste(m.paste)
			return nil
		}
		return p.do(p.u.Key(m.key))
	case frameMsg:
		p.u.Frame(m.frame)
	case failedMsg:
		p.u.Failed(m.err)
	case explainedMsg:
		p.u.Explained(m.pane, m.answer, m.err)
	case loggedMsg:
		ls, skipped := m.lines.take()
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

// do carries out what the state asks for.
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
			p.term.forget()
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

// suspend returns the terminal back and stops this process group until a shell
// continues it. SIGSTOP and not SIGTSTP: a Go program that has caught the
// latter once cannot have its default action again.
func (p *program) suspend() error {
	if p.canSuspend == nil || !p.canSuspend() {
		p.u.say(warn, "cannot be suspended: no shell would continue it")
		return nil
	}
	if err := p.term.leave(); err != nil {
		return fmt.Errorf("show top: %w", err)
	}
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	defer signal.Stop(continued)
	// The stop comes to all threads a little later than kill returns.
	if err := unix.Kill(0, unix.SIGSTOP); err == nil {
		<-continued
	}
	if err := p.term.enter(); err != nil {
		return fmt.Errorf("show top: %w", err)
	}
	p.u.Resize(p.term.width, p.term.height)
	p.frames.Now()
	return nil
}

// ask returns the context of what a pane asks for, and ends what it asked before.
func (p *program) ask(pane int) context.Context {
	if stop, ok := p.asked[pane]; ok {
		stop()
	}
	ctx, stop := context.WithCancel(p.ctx)
	p.asked[pane] = stop
	return ctx
}

// follow hands the lines of a service to the screen, in batches when they come
// faster than it takes them.
func (p *program) follow(ctx context.Context, e follow) {
	buf := &lineBuffer{}
	err := p.src.Logs(ctx, e.project, e.service, func(l logs.Line) error {
		if ctx.Err() != nil {
			return errStopped
		}
		if buf.add(l) {
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
