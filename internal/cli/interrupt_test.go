package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// raise sends a signal to this process, which catches it.
func raise(t *testing.T, sig unix.Signal) {
	t.Helper()
	if err := unix.Kill(os.Getpid(), sig); err != nil {
		t.Fatal(err)
	}
}

func TestASignalEndsACommand(t *testing.T) {
	for sig, want := range map[unix.Signal]int{unix.SIGINT: 130, unix.SIGQUIT: 131, unix.SIGTERM: 143, unix.SIGHUP: 129} {
		for name, end := range map[string]func(context.Context) error{
			"with the context's error": func(ctx context.Context) error { return ctx.Err() },
			"as if all was well":       func(context.Context) error { return nil },
			"with an error of its own": func(context.Context) error { return errors.New("read: connection closed") },
		} {
			var stderr bytes.Buffer
			a := &app{err: &stderr}
			got := a.untilInterrupted(context.Background(), func(ctx context.Context) error {
				raise(t, sig)
				<-ctx.Done()
				return end(ctx)
			})
			if got != want || stderr.Len() > 0 {
				t.Errorf("%v, %s: %d, %q", sig, name, got, stderr.String())
			}
		}
	}
}

func TestACommandThatDoesNotEndIsLeft(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	a := &app{err: os.Stderr}
	got := a.untilInterrupted(context.Background(), func(ctx context.Context) error {
		raise(t, unix.SIGINT)
		<-ctx.Done()
		raise(t, unix.SIGTERM)
		<-release
		return nil
	})
	// The second signal is its end, or, on a slow machine, the wait is over first.
	if got != 143 && got != 130 {
		t.Errorf("got %d", got)
	}
}

func TestSignalsThatACommandTakes(t *testing.T) {
	a := &app{err: os.Stderr}
	got := a.untilInterrupted(context.Background(), func(ctx context.Context) error {
		ch := make(chan os.Signal, 1)
		release := a.signals.take(ch)
		raise(t, unix.SIGQUIT)
		select {
		case <-ch:
		case <-time.After(patience):
			t.Error("it does not come")
		}
		if ctx.Err() != nil {
			t.Error("it ends the command too")
		}
		release()
		serving, stop := a.serving(ctx)
		defer stop()
		raise(t, unix.SIGTERM)
		<-serving.Done()
		return nil
	})
	if got != 0 {
		t.Errorf("got %d", got)
	}
}

// What `lodge up` does is tried in package test.
func TestAnInterruptedCommandLine(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n")
	sh.ok("up", "-d", "--engine", "none")
	ended := make(chan struct{})
	codes := make(chan int, 1)
	go func() {
		defer close(ended)
		code, _, _ := sh.run("logs", "-f")
		codes <- code
	}()
	// Signals to this process end the command from the moment it catches them.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	guard := make(chan os.Signal, 1) // until it does, and after
	signal.Notify(guard, unix.SIGINT)
	defer signal.Stop(guard)
	for {
		select {
		case <-ended:
			if code := <-codes; code != 130 {
				t.Errorf("logs -f: %d", code)
			}
			return
		case <-tick.C:
			raise(t, unix.SIGINT)
		}
	}
}
