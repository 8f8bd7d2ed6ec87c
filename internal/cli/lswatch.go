package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/event"
	"lodge/internal/localapi"
)

// lsQuiet gathers events that come together, so that a project's start is listed a
// few times and not for each step.
const lsQuiet = 50 * time.Millisecond

// watchLs lists what runs, and again whenever the stream of events says that
// something has changed, until it is interrupted or its output is not read any more.
func (a *app) watchLs(ctx context.Context, asJSON, all bool) error {
	reading, stop := a.untilReaderGone(ctx)
	defer stop()
	following, cancel := context.WithCancel(reading)
	changed, ended := make(chan struct{}, 1), make(chan struct{})
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	var failed error // valid once ended is closed
	go func() {
		defer close(ended)
		// What is listed first is not older than the stream's begin.
		failed = a.followEvents(following, localapi.EventsQuery{Filter: []string{"kind=service,name,project"}}, tell, func(_ []byte, e event.Event) error {
			if e.Kind != event.KindSocket {
				tell()
			}
			return nil
		})
	}()
	defer func() {
		cancel()
		<-ended
	}()
	for {
		select {
		case <-changed:
		case <-ended:
			return untilRead(reading, failed)
		}
		if err := a.listOnce(reading, asJSON, all); err != nil {
			return untilRead(reading, err)
		}
		quiet := time.NewTimer(lsQuiet)
		select {
		case <-quiet.C:
		case <-ended:
			quiet.Stop()
		}
	}
}

// untilRead is the outcome of a stream: that it was interrupted, or that its output is
// not read any more, is none.
func untilRead(reading context.Context, err error) error {
	if reading.Err() != nil || errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// listOnce prints the list: as one line of JSON, on a terminal in the place of the
// list before, else after it.
func (a *app) listOnce(ctx context.Context, asJSON, all bool) error {
	c, ps, err := a.listed(ctx, all)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	if asJSON {
		b, err := json.Marshal(ps)
		if err == nil {
			_, err = a.out.Write(append(b, '\n'))
		}
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	if isTerminal(a.env.Stdout) {
		fmt.Fprint(a.out, "\x1b[H\x1b[2J") // to the corner, and clear (ECMA-48, CUP and ED)
	}
	if len(ps.Projects) == 0 {
		fmt.Fprintln(a.out, "nothing is up")
	} else {
		a.listProjects(ps.Projects)
	}
	if !isTerminal(a.env.Stdout) {
		fmt.Fprintln(a.out)
	}
	return nil
}
