package look

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

	"lodge/internal/cli/kit"
	"lodge/internal/cli/logline"
	"lodge/internal/cli/session"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/logs"
)

// Logs returns the command lodge logs.
func Logs(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
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
		RunE: sel.WithServices(func(c *cobra.Command, names []string) error {
			q := keeperapi.LogQuery{Services: names, Tail: tail}
			if since != "" {
				t, err := kit.ParseSince(since, time.Now())
				if err != nil {
					return &kit.UsageError{Err: err, Hint: "--since 10m, --since 2006-01-02T15:04:05Z or --since 15:04"}
				}
				q.Since = t
			}
			if tail < 0 {
				return &kit.UsageError{Err: errors.New("show logs: --tail is negative"), Hint: "--tail 100"}
			}
			return showLogs(c.Context(), sel, q, follow, asJSON)
		}),
	}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes")
	c.Flags().StringVar(&since, "since", "", "from `TIME` on: a duration such as 10m, or a time")
	c.Flags().IntVarP(&tail, "tail", "n", 0, "only the last lines; 0 for all")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line: time, service, text")
	sel.Flag(c)
	sel.CompleteServices(c, 0)
	return c
}

func showLogs(ctx context.Context, sel *session.Selection, q keeperapi.LogQuery, follow, asJSON bool) error {
	p, err := sel.FindAmong(func() (localapi.Projects, error) {
		c, ps, err := session.Listed(ctx, sel.Kit, true)
		if c != nil {
			c.Close()
		} else {
			sel.Warn(ps.Warnings...)
		}
		return ps, err
	})
	if err != nil {
		return err
	}
	if err := mayHaveLogs(sel, p, q.Services); err != nil {
		return err
	}
	out := logline.NewOutput(sel.Kit, asJSON)
	err = errors.Join(readLogs(ctx, sel, p, q, follow, out), out.Flush())
	if errors.Is(err, keeperapi.ErrGone) && follow {
		return nil // the project ended
	}
	if errors.Is(err, unix.EPIPE) {
		return nil
	}
	return err
}

// readLogs prints lines: the past ones from the disk, and with follow those to
// come, which the keeper sends, until the reader has gone.
func readLogs(ctx context.Context, sel *session.Selection, p localapi.Project, q keeperapi.LogQuery, follow bool, out *logline.Output) error {
	if !follow || p.State != "up" || p.Unresponsive != "" {
		err := localapi.ReadLogs(p, q, out.Line)
		if err == nil && p.Unresponsive != "" {
			err = saidHalted(sel.Kit, p, follow)
		}
		return err
	}
	s := localapi.NewSession(p)
	reading, stop := kit.UntilReaderGone(ctx, sel.Env.Stdout)
	defer stop()
	err := sel.Patient(s, true).LogBatches(reading, q, true, out.Batch)
	if reading.Err() != nil && ctx.Err() == nil {
		return nil // the reader has gone
	}
	return err
}

// saidHalted prints that a project's keeper does not answer. What follows cannot
// be shown without it.
func saidHalted(k *kit.Kit, p localapi.Project, follow bool) error {
	if follow {
		return &kit.Hinted{Err: fmt.Errorf("follow logs of %s: %s", p.Shown(), p.Unresponsive), Hint: p.UnresponsiveHint}
	}
	k.Warn(kit.HaltedNotes([]localapi.Project{p})...)
	return nil
}

// mayHaveLogs reports whether each name is that of a service that there is or that
// has said something.
func mayHaveLogs(sel *session.Selection, p localapi.Project, names []string) error {
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
	if q, err := sel.Place().Load(); err == nil {
		known = append(known, session.FileServices(q)...)
	}
	slices.Sort(known)
	known = slices.Compact(known)
	for _, n := range names {
		if !slices.Contains(known, n) {
			return &kit.Hinted{Err: fmt.Errorf("show logs of %s: %s has no such service", n, p.Name), Hint: "there are: " + strings.Join(known, ", ")}
		}
	}
	return nil
}
