package cli

import (
	"context"
	"fmt"
	"net/http/httptrace"
	"os"
	"os/signal"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/stall"
)

// noteHalted tells that a process that is waited for does not run. The wait
// goes on.
func (a *app) noteHalted(e *stall.Error) {
	end := "\n"
	if isTerminal(a.env.Stderr) {
		end = "\r\n" // the terminal may be raw
	}
	fmt.Fprintf(a.err, "lodge: %v; waiting (hint: %s)%s", e, e.Hint(), end)
}

// notesHalted tells of projects whose keepers do not answer.
func (a *app) notesHalted(ps []localapi.Project) {
	for _, text := range haltedNotes(ps) {
		fmt.Fprintln(a.err, "lodge: "+text)
	}
}

func haltedNotes(ps []localapi.Project) []string {
	var out []string
	for _, p := range ps {
		if p.Unresponsive == "" {
			continue
		}
		text := fmt.Sprintf("project %s: %s; its state is that of before", p.Shown(), p.Unresponsive)
		if p.UnresponsiveHint != "" {
			text += " (hint: " + p.UnresponsiveHint + ")"
		}
		out = append(out, text)
	}
	return out
}

// endings takes the signals that end an attached command. SIGPIPE is one: nobody
// reads its output any more.
func (a *app) endings(ctx context.Context) (sig <-chan os.Signal, stop func()) {
	ch := make(chan os.Signal, 8)
	release := a.signals.take(ch)
	signal.Notify(ch, unix.SIGPIPE)
	unread := func() {}
	if !isTerminal(a.env.Stdout) { // one that is closed sends SIGHUP
		var reading context.Context
		reading, unread = a.untilReaderGone(ctx)
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
// returns as the error when nothing is left. Ctrl-\ gives nothing time to end by
// itself. left says that it returned before, at another signal: the daemon was
// asked by then, unless even that takes too long.
func (a *app) stopAttached(ctx context.Context, ops *operation.Runner, d operation.Defined, first os.Signal, more <-chan os.Signal) (left bool, err error) {
	asked := make(chan struct{}) // closed when the daemon has been asked: the rest is its own
	once := sync.OnceFunc(func() { close(asked) })
	ctx = httptrace.WithClientTrace(context.WithoutCancel(ctx), &httptrace.ClientTrace{WroteRequest: func(info httptrace.WroteRequestInfo) {
		if info.Err == nil {
			once()
		}
	}})
	kill := first == unix.SIGQUIT
	down := make(chan error, 2)
	end := func(kill bool) { down <- ops.EndSession(ctx, d.Daemon, d.Session, kill) }
	go end(kill)
	await(asked, interruptPatience)
	if kill {
		fmt.Fprintln(a.err, "killing all; again to leave at once")
	} else {
		fmt.Fprintln(a.err, "stopping; again to leave at once")
	}
	for {
		select {
		case err := <-down:
			if err != nil {
				return false, err
			}
			return false, endedBy(first)
		case n := <-more:
			switch {
			case n == unix.SIGPIPE: // what is said meanwhile is not read either
			case n == unix.SIGQUIT && !kill:
				kill = true
				go end(kill)
			default:
				await(asked, interruptPatience)
				return true, endedBy(n)
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

// endedBy is the error of a command that a signal ended.
func endedBy(s os.Signal) error {
	n, _ := s.(unix.Signal)
	return &interrupted{n}
}
