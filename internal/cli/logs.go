package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
)

func (a *app) logsCommand() *cobra.Command {
	var follow, asJSON bool
	var since string
	var tail int
	c := &cobra.Command{
		Use:   "logs [SERVICE...]",
		Short: "What the services say, and said",
		Long:  "Show the output of the project's services, also after everything has stopped.",
		Example: `  lodge logs -f web
  lodge logs --since 10m -n 100
  lodge logs --json | jq -r .text`,
		RunE: a.withServices(func(c *cobra.Command, names []string) error {
			q := keeperapi.LogQuery{Services: names, Tail: tail}
			if since != "" {
				t, err := parseSince(since, time.Now())
				if err != nil {
					return &usageError{err: err, hint: "--since 10m, --since 2006-01-02T15:04:05Z or --since 15:04"}
				}
				q.Since = t
			}
			if tail < 0 {
				return &usageError{err: errors.New("show logs: --tail is negative"), hint: "--tail 100"}
			}
			return a.logs(c.Context(), q, follow, asJSON)
		}),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	c.Flags().StringVar(&since, "since", "", "from `TIME` on: a duration such as 10m, or a time")
	c.Flags().IntVarP(&tail, "tail", "n", 0, "only the last lines; 0 for all")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line: time, service, text")
	a.projectFlag(c)
	a.completesServices(c, 0)
	return c
}

// parseSince reads a duration back from now, an RFC 3339 time, or a time of
// today.
func parseSince(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, s, now.Location()); err == nil {
			y, m, d := now.Date()
			return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, now.Location()), nil
		}
	}
	return time.Time{}, fmt.Errorf("read time %q: neither a duration nor a time", s)
}

func (a *app) logs(ctx context.Context, q keeperapi.LogQuery, follow, asJSON bool) error {
	p, err := a.findAmong(func() (localapi.Projects, error) {
		c, ps, err := a.listed(ctx, true)
		if c != nil {
			c.Close()
		} else {
			a.warn(ps.Warnings)
		}
		return ps, err
	})
	if err != nil {
		return err
	}
	if err := a.mayHaveLogs(p, q.Services); err != nil {
		return err
	}
	out := a.logOutput(asJSON)
	err = errors.Join(a.readLogs(ctx, p, q, follow, out), out.flush())
	if errors.Is(err, keeperapi.ErrGone) && follow {
		return nil // the project ended
	}
	if errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// readLogs prints lines: the past ones from the disk, and with follow those to
// come, which the keeper tells, until nobody reads them.
func (a *app) readLogs(ctx context.Context, p localapi.Project, q keeperapi.LogQuery, follow bool, out *logOutput) error {
	if !follow || p.State != "up" || p.Unresponsive != "" {
		err := localapi.ReadLogs(p, q, out.line)
		if err == nil && p.Unresponsive != "" {
			err = a.saidHalted(p, follow)
		}
		return err
	}
	s := localapi.NewSession(p)
	reading, stop := a.untilReaderGone(ctx)
	defer stop()
	err := a.patient(s, true).LogBatches(reading, q, true, out.batch)
	if reading.Err() != nil && ctx.Err() == nil {
		return nil // nobody reads on
	}
	return err
}

// saidHalted tells that a project's keeper does not answer. What follows cannot
// be shown without it.
func (a *app) saidHalted(p localapi.Project, follow bool) error {
	if follow {
		return &hinted{err: fmt.Errorf("follow logs of %s: %s", p.Shown(), p.Unresponsive), hint: p.UnresponsiveHint}
	}
	a.notesHalted([]localapi.Project{p})
	return nil
}

// mayHaveLogs reports whether each name is that of a service that there is or that
// has said something.
func (a *app) mayHaveLogs(p localapi.Project, names []string) error {
	if len(names) == 0 {
		return nil
	}
	known, err := logs.Services(p.LogDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read logs: %w", err)
	}
	for _, s := range p.Services {
		known = append(known, s.Name)
	}
	if q, err := a.place().Load(); err == nil {
		known = append(known, serviceNames(q)...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return &hinted{err: fmt.Errorf("show logs of %s: %s has no such service", n, p.Name), hint: "there are: " + strings.Join(known, ", ")}
		}
	}
	return nil
}
