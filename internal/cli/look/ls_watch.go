package look

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/projecttable"
	"lodge/internal/cli/session"
	"lodge/internal/event"
	"lodge/internal/localapi"
)

// lsQuiet gathers events that come together, so that a project's start is listed a
// few times and not for each step.
const lsQuiet = 50 * time.Millisecond

// watchLs lists what runs, and again whenever the stream of events says that
// something has changed, until it is interrupted or its output is not read any more.
func watchLs(ctx context.Context, k *kit.Kit, asJSON, all bool) error {
	reading, stop := kit.UntilReaderGone(ctx, k.Env.Stdout)
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
		failed = session.FollowEvents(following, k, localapi.EventsQuery{Filter: []string{"kind=service,name,project"}}, tell, func(_ []byte, e event.Event) error {
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
			return kit.UntilRead(reading, failed)
		}
		if err := listOnce(reading, k, asJSON, all); err != nil {
			return kit.UntilRead(reading, err)
		}
		quiet := time.NewTimer(lsQuiet)
		select {
		case <-quiet.C:
		case <-ended:
			quiet.Stop()
		}
	}
}

// listOnce prints the list: as one line of JSON, on a terminal in the place of the
// list before, else after it.
func listOnce(ctx context.Context, k *kit.Kit, asJSON, all bool) error {
	c, ps, err := session.Listed(ctx, k, all)
	if err != nil {
		return err
	}
	if c != nil {
		defer c.Close()
	}
	if asJSON {
		b, err := json.Marshal(ps)
		if err == nil {
			_, err = k.Out.Write(append(b, '\n'))
		}
		if err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	if kit.IsTerminal(k.Env.Stdout) {
		fmt.Fprint(k.Out, "\x1b[H\x1b[2J") // to the corner, and clear (ECMA-48, CUP and ED)
	}
	if len(ps.Projects) == 0 {
		fmt.Fprintln(k.Out, "nothing is up")
	} else {
		projecttable.Results(k).Print(ps.Projects)
	}
	if !kit.IsTerminal(k.Env.Stdout) {
		fmt.Fprintln(k.Out)
	}
	return nil
}
