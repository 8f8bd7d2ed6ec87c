// Package events is `lodge events`: the daemon's stream of events, as sentences or JSON.
package events

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/event"
	"lodge/internal/eventfilter"
	"lodge/internal/localapi"
	"lodge/internal/project"
)

// Command returns the command lodge events.
func Command(k *kit.Kit) *cobra.Command {
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
			match, err := eventfilter.Parse(words, eventfilter.Options{Now: time.Now(), Nearest: project.Nearest})
			if err != nil {
				return filter.Error(err)
			}
			q, err := readSince(since, time.Now())
			if err != nil {
				return &kit.UsageError{Err: err, Hint: "lodge events --since 0, --since 5m or --since 2006-01-02T15:04:05Z"}
			}
			q.Once, q.Filter = !follow, words
			return printEvents(c.Context(), k, q, match, asJSON)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			return filter.Words(eventfilter.Schema(eventfilter.Options{}), begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
	}
	c.Flags().StringVar(&since, "since", "", "from `WHEN` on: the number of the event before, 0 for the oldest kept, a duration such as 5m, or a time; without it, from now on")
	c.Flags().BoolVarP(&follow, "follow", "f", true, "go on with what happens; --follow=false ends with what is there")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// readSince reads the value of --since.
func readSince(s string, now time.Time) (q localapi.EventsQuery, err error) {
	if s == "" {
		return q, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		q.After = &event.Position{Number: n}
		return q, nil
	}
	if q.Since, err = kit.ParseSince(s, now); err != nil {
		return q, fmt.Errorf("read --since %q: neither a number, nor a duration, nor a time", s)
	}
	return q, nil
}

// printEvents prints events until it is interrupted or its reader has gone.
func printEvents(ctx context.Context, k *kit.Kit, q localapi.EventsQuery, match *eventfilter.Filter, asJSON bool) error {
	reading, stop := kit.UntilReaderGone(ctx, k.Env.Stdout)
	defer stop()
	p := &printer{out: k.Out, json: asJSON, color: k.WantsColor(k.Env.Stdout), today: time.Now()}
	err := session.FollowEvents(reading, k, q, nil, func(line []byte, e event.Event) error {
		if !match.Match(&e) {
			return nil
		}
		return p.print(line, &e)
	})
	return kit.UntilRead(reading, err)
}
