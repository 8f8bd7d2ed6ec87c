package run

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/operation"
)

// endings takes the signals that end an attached command. SIGPIPE is one: its
// output has no reader any more.
func endings(ctx context.Context, k *kit.Kit) (sig <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 8)
	release := k.TakeSignals(ch)
	signal.Notify(ch, unix.SIGPIPE)
	unread := func() {}
	if !kit.IsTerminal(k.Env.Stdout) { // one that is closed sends SIGHUP
		var reading context.Context
		reading, unread = kit.UntilReaderGone(ctx, k.Env.Stdout)
		context.AfterFunc(reading, func() {
			if ctx.Err() == nil {
				ch <- unix.SIGPIPE // the first: there is room
			}
		})
	}
	return ch, func() {
		unread()
		signal.Stop(ch)
		release()
	}
}

// stopAttached ends the project of an attached command after a signal, which it
// returns as the error when nothing is left. Ctrl-\ leaves nothing time to end by
// itself. left reports that it returned before, at another signal: the daemon was
// asked by then, unless even that takes too long.
func stopAttached(ctx context.Context, k *kit.Kit, ops *operation.Runner, d operation.Defined, first os.Signal, more <-chan os.Signal) (left bool, err error) {
	asked := make(chan struct{}) // closed when the daemon has been asked: the rest is its own
	once := sync.OnceFunc(func() { close(asked) })
	ctx = localapi.NotifyWritten(context.WithoutCancel(ctx), once)
	kill := first == unix.SIGQUIT
	down := make(chan error, 2)
	end := func(kill bool) { down <- ops.EndSession(ctx, d.Daemon, d.Session, kill) }
	go end(kill)
	await(asked, kit.InterruptPatience)
	if kill {
		fmt.Fprintln(k.Err, "killing all; again to leave at once")
	} else {
		fmt.Fprintln(k.Err, "stopping; again to leave at once")
	}
	for {
		select {
		case err := <-down:
			if err != nil {
				return false, err
			}
			return false, kit.EndedBy(first)
		case n := <-more:
			switch {
			case n == unix.SIGPIPE: // what is said meanwhile is not read either
			case n == unix.SIGQUIT && !kill:
				kill = true
				go end(kill)
			default:
				await(asked, kit.InterruptPatience)
				return true, kit.EndedBy(n)
			}
		}
	}
}

// await waits for done, for no longer than limit.
func await(done <-chan struct{}, limit time.Duration) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}
