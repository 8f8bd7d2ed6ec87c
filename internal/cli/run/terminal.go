package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lodge/internal/cli/kit"
	"lodge/internal/drain"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
)

// catchSignals keeps the signals that this process gets for the command, until
// stop is called. It begins before the command does, which may be sent one as
// soon as it is seen.
func catchSignals(k *kit.Kit) (sig chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 8)
	release := k.TakeSignals(ch)
	signal.Notify(ch, unix.SIGUSR1, unix.SIGUSR2)
	return ch, func() {
		signal.Stop(ch)
		release()
	}
}

// passSignals hands the signals that were caught to the command, until the
// returned function is called.
func passSignals(ch chan os.Signal, p *keeperapi.Process) func() {
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-ch:
				if n, ok := s.(unix.Signal); ok {
					_ = p.Signal(n) // it may have ended just now
				}
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// attachTerminal runs the command on a terminal of its own that looks like
// this one.
func attachTerminal(ctx context.Context, k *kit.Kit, s *localapi.Session, x keeperapi.Exec) (int, error) {
	in, out := k.Env.Stdin, k.Env.Stdout
	x.Terminal = true
	if size, err := pty.GetsizeFull(in); err == nil {
		x.Rows, x.Cols = size.Rows, size.Cols
	}
	var files []*os.File
	if x.Listed {
		files = []*os.File{out} // the keeper writes there, and to the log
	}
	sig, stop := catchSignals(k)
	defer stop()
	// The command's first line must find this terminal raw already.
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return 0, fmt.Errorf("set terminal: %w", err)
	}
	defer func() { _ = term.Restore(int(in.Fd()), old) }()
	s.Halted = k.NoteHalted
	p, err := s.Exec(ctx, x, childEnviron(ctx, k), files...)
	if err != nil {
		return 0, endedBefore(sig, x, err)
	}
	if p.Terminal == nil {
		return 0, fmt.Errorf("run %s: the keeper gave no terminal", x.Command)
	}
	defer p.Terminal.Close()
	defer passSignals(sig, p)()

	winch := make(chan os.Signal, 1)
	signal.Notify(winch, unix.SIGWINCH)
	defer signal.Stop(winch)
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-winch:
				_ = pty.InheritSize(in, p.Terminal)
			case <-done:
				return
			}
		}
	}()
	// This one ends with the process: a read of the terminal cannot be undone.
	go func() { _, _ = io.Copy(p.Terminal, in) }()
	if x.Listed {
		return wait(p)
	}
	output, err := drain.New(p.Terminal, out)
	if err != nil {
		return 0, fmt.Errorf("read terminal: %w", err)
	}
	go func() { _ = output.Copy() }() // ends with EIO, when no process has the terminal any more
	code, err := wait(p)
	if err == nil {
		output.Finish()
	}
	return code, err
}
