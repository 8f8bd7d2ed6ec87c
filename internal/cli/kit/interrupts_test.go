package kit

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
			a := &Kit{Err: &stderr}
			got := a.Run(context.Background(), func(ctx context.Context) error {
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

// A command that asks for more time has it.
func TestACommandCanHaveMoreTime(t *testing.T) {
	a := &Kit{Err: os.Stderr}
	over := make(chan struct{})
	got := a.Run(context.Background(), func(ctx context.Context) error {
		a.SetPatience(time.Hour)
		raise(t, unix.SIGINT)
		<-ctx.Done()
		time.AfterFunc(InterruptPatience+InterruptPatience/4, func() { close(over) })
		<-over
		return nil
	})
	select {
	case <-over:
	default:
		t.Error("it was left")
	}
	if got != 130 {
		t.Errorf("got %d", got)
	}
}

func TestACommandThatDoesNotEndIsLeft(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	a := &Kit{Err: os.Stderr}
	got := a.Run(context.Background(), func(ctx context.Context) error {
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
	a := &Kit{Err: os.Stderr}
	got := a.Run(context.Background(), func(ctx context.Context) error {
		ch := make(chan os.Signal, 1)
		release := a.TakeSignals(ch)
		raise(t, unix.SIGQUIT)
		select {
		case <-ch:
		case <-time.After(time.Minute):
			t.Error("it does not come")
		}
		if ctx.Err() != nil {
			t.Error("it ends the command too")
		}
		release()
		raise(t, unix.SIGTERM)
		<-ctx.Done()
		return nil
	})
	if got != 143 {
		t.Errorf("got %d", got)
	}
}

// A brief command catches signals when it says so, or after a moment.
func TestBriefCommandThatIsNot(t *testing.T) {
	// Until then they would end the tests.
	signal.Notify(make(chan os.Signal, 1), unix.SIGTERM)
	for _, says := range []bool{true, false} {
		a := &Kit{Err: os.Stderr, Env: Env{Exit: func(int) {}}}
		got := a.RunBrief(context.Background(), func(ctx context.Context) error {
			if says {
				a.CatchSignals()
			}
			again := time.NewTicker(10 * time.Millisecond)
			defer again.Stop()
			for raise(t, unix.SIGTERM); ; {
				select {
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-again.C:
					if !says { // one that was raised before it is caught is gone
						raise(t, unix.SIGTERM)
					}
				}
			}
		})
		if got != 143 {
			t.Errorf("got %d", got)
		}
	}
}

// A brief command that does not end at a second signal is left, and not waited for.
func TestBriefCommandThatDoesNotEnd(t *testing.T) {
	left := make(chan int, 1)
	a := &Kit{Err: os.Stderr, Env: Env{Exit: func(status int) { left <- status }}}
	a.RunBrief(context.Background(), func(ctx context.Context) error {
		a.CatchSignals()
		raise(t, unix.SIGINT)
		<-ctx.Done()
		raise(t, unix.SIGTERM)
		if got := <-left; got != 143 && got != 130 {
			t.Errorf("got %d", got)
		}
		return nil
	})
}
