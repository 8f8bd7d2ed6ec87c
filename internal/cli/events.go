package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/event"
	"lodge/internal/eventfilter"
	"lodge/internal/localapi"
	"lodge/internal/project"
)

func (a *app) eventsCommand() *cobra.Command {
	var since string
	var asJSON bool
	follow := true
	c := &cobra.Command{
		Use:   "events [FILTER...]",
		Short: "What happens: services, sockets, names and projects, as a stream",
		Long: `Print what happens, one event a line, until it is interrupted: services that start, get ready, end and
are started again, sockets that are opened and closed, names that lead elsewhere, projects that come and go.

A FILTER is a project, a service, PROJECT/SERVICE, a state, a kind (service, socket, name, project) or a part of
a host name, or KEY=VALUE, also with != < <= > >= and ~ (contains); and, or, not and parentheses put filters
together. The keys are kind, number, time, source, project, service, state, from, change, pid, exit, name, port.
That events are missing is always told.

Sockets are left out where the filter names another kind, or a service and no kind: "socket shop/web" has those
of a service. The table of sockets is read once a second, and only while these events are read: a socket
that is opened and closed between two readings is not seen.

Events have numbers without a gap. --since NUMBER begins after the event with that number, --since 0 with
the oldest that is kept; a daemon that is killed meanwhile is started again, and the stream goes on.`,
		Example: `  lodge events
  lodge events --since 0 --follow=false --json   what is kept, and end
  lodge events --since 5m shop/web state=failed,backoff
  lodge events 'kind=socket and port=5432'`,
		RunE: func(c *cobra.Command, words []string) error {
			filter, err := eventfilter.Parse(words, eventfilter.Options{Now: time.Now(), Nearest: project.Nearest})
			if err != nil {
				return filterError(err)
			}
			q, err := eventsSince(since, time.Now())
			if err != nil {
				return &usageError{err: err, hint: "lodge events --since 0, --since 5m or --since 2006-01-02T15:04:05Z"}
			}
			q.Once, q.Filter = !follow, words
			return a.events(c.Context(), q, filter, asJSON)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return filterWords(eventfilter.Schema(eventfilter.Options{}), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
	}
	c.Flags().StringVar(&since, "since", "", "from `WHEN` on: the number of the event before, 0 for the oldest kept, a duration such as 5m, or a time; without it, from now on")
	c.Flags().BoolVarP(&follow, "follow", "f", true, "go on with what happens; --follow=false ends with what is there")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// eventsSince reads the value of --since.
func eventsSince(s string, now time.Time) (q localapi.EventsQuery, err error) {
	if s == "" {
		return q, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		q.After = &event.Position{Number: n}
		return q, nil
	}
	if q.Since, err = parseSince(s, now); err != nil {
		return q, fmt.Errorf("read --since %q: neither a number, nor a duration, nor a time", s)
	}
	return q, nil
}

// The pause before a daemon is asked again that ends each answer at once.
const (
	eventsRetry  = 50 * time.Millisecond
	eventsAtOnce = 200 * time.Millisecond
)

// events prints events until it is interrupted or its output is not read any more.
func (a *app) events(ctx context.Context, q localapi.EventsQuery, filter *eventfilter.Filter, asJSON bool) error {
	reading, stop := a.untilReaderGone(ctx)
	defer stop()
	p := &eventPrinter{out: a.out, json: asJSON, color: a.wantsColor(a.env.Stdout), today: time.Now()}
	err := a.followEvents(reading, q, nil, func(line []byte, e event.Event) error {
		if !filter.Match(&e) {
			return nil
		}
		return p.print(line, &e)
	})
	return untilRead(reading, err)
}

// followEvents hands events to each. When the daemon ends, the next one is asked for
// what came after the last event. begun is called each time that a daemon begins to
// answer; nil: it is not told.
func (a *app) followEvents(ctx context.Context, q localapi.EventsQuery, begun func(), each func([]byte, event.Event) error) error {
	for {
		c, err := a.connect(ctx)
		if err != nil {
			return err
		}
		asked := time.Now()
		err = c.Events(ctx, q, func(at event.Position) {
			q.After = &at
			if begun != nil {
				begun()
			}
		}, func(line []byte, e event.Event) error {
			// It counts as read also where it is not printed.
			q.After = &event.Position{Stream: e.Stream, Number: e.Number}
			return each(line, e)
		})
		c.Close()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, localapi.ErrStreamEnded), localapi.NotRunning(err), hungUp(err):
		default:
			return err
		}
		if time.Since(asked) < eventsAtOnce {
			select {
			case <-time.After(eventsRetry):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}
