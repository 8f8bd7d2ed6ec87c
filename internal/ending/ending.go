// Package ending has the signals that end a program of lodge's.
package ending

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Signals returns the signals that end a command: Ctrl-C, Ctrl-\ (which makes a
// Go program print its goroutines otherwise), kill(1), and a closed terminal
// unless that is ignored (nohup(1)).
func Signals() []os.Signal {
	signals := []os.Signal{unix.SIGINT, unix.SIGQUIT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) {
		signals = append(signals, unix.SIGHUP)
	}
	return signals
}

// Context returns a context that ends at the first of these signals. Later ones
// do nothing: a process that serves others has all the time that it needs to
// end. The caller calls stop.
func Context(ctx context.Context) (ending context.Context, stop context.CancelFunc) {
	return signal.NotifyContext(ctx, Signals()...)
}
