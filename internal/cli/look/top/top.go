// Package top is `lodge top`: it hands package tui facts and a terminal.
package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/cli/daemonview"
	"lodge/internal/cli/filter"
	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/explain"
	"lodge/internal/explain/gather"
	"lodge/internal/procfs"
	"lodge/internal/query"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
	"lodge/internal/sockets/track"
	"lodge/internal/tui"
)

// flags are the flags of top.
type flags struct {
	view     string
	interval time.Duration
	once     bool
	asJSON   bool
	ascii    bool
}

// Command returns the command lodge top.
func Command(k *kit.Kit) *cobra.Command {
	var ch flags
	c := &cobra.Command{
		Use:   "top [FILTER...]",
		Short: "Projects, listeners and connections, live, with their rates",
		Long: `Show projects and services, listeners, connections with live rates, and who
talks to whom, in this terminal. FILTER is what ` + "`lodge ports`" + ` takes: a port, an
address, a process, a project or project/service, or an expression of them such as
port>=3000 and not state=time_wait. Press ? for the keys.

With --once or --json it prints one view and ends; since rates are of a time, it
reads twice, --interval apart (then one second, unless it is given).`,
		Example: "  lodge top\n" +
			"  lodge top shop                     # one project\n" +
			"  lodge top --once --view talk       # who talks to whom, once, for a script",
		RunE: func(c *cobra.Command, words []string) error {
			if !c.Flags().Changed("interval") && (ch.once || ch.asJSON) {
				ch.interval = time.Second
			}
			return run(c.Context(), k, ch, strings.Join(words, " "))
		},
	}
	c.Flags().StringVar(&ch.view, "view", "", strings.Join(tui.ViewNames(), ", ")+" (default: projects if one is up, else listeners)")
	c.Flags().DurationVar(&ch.interval, "interval", 2*time.Second, "time between two readings")
	c.Flags().BoolVar(&ch.once, "once", false, "print the view once, as a table, and end")
	c.Flags().BoolVar(&ch.asJSON, "json", false, "print the view once, as JSON, and end")
	c.Flags().BoolVar(&ch.ascii, "ascii", false, "use no characters beyond ASCII (default: as the locale says)")
	filter.Complete(c)
	_ = c.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(tui.ViewNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// The bounds of --interval: below, lodge itself would be the load.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = time.Hour
)

func run(ctx context.Context, k *kit.Kit, ch flags, words string) error {
	if ch.interval < leastInterval || ch.interval > mostInterval {
		return &kit.UsageError{Err: fmt.Errorf("show top: --interval %v is not between %v and %v", ch.interval, leastInterval, mostInterval), Hint: "--interval 2s"}
	}
	if ch.view != "" && !slices.Contains(tui.ViewNames(), ch.view) {
		return &kit.UsageError{Err: fmt.Errorf("show top: no view is called %q", ch.view), Hint: "--view " + strings.Join(tui.ViewNames(), ", ")}
	}
	if _, err := parseFilter(words); err != nil {
		return err
	}
	opt := tui.Options{
		View: ch.view, Interval: ch.interval, Filter: words, ParseFilter: parseFilter,
		Color: k.WantsColor(k.Env.Stdout),
		Own:   gather.Own,
		ASCII: ch.ascii || !utf8(k), Privileged: os.Geteuid() == 0,
	}
	src := &source{holders: track.NewHolderCache(), text: func(ctx context.Context, address string) (string, error) { return explain.Text(ctx, k, address) }}
	if !ch.once && !ch.asJSON {
		if err := canDraw(k); err != nil {
			return err
		}
	}
	src.look = daemonview.Open(ctx, k)
	defer src.look.Close()
	if ch.once || ch.asJSON {
		return printOnce(ctx, k, src, opt, ch.asJSON)
	}
	return drawLive(ctx, k, src, opt)
}

// parseFilter reads what is typed as a filter of top.
func parseFilter(text string) (tui.Match, error) {
	s := filter.Sockets(false)
	e, err := query.ParseText(text, &s.Schema)
	if err != nil {
		return nil, filter.Error(err)
	}
	if e == nil {
		return func(*sockets.Row) bool { return true }, nil
	}
	return socketquery.Keep(filter.ResolveAny(s, e), time.Now), nil
}

// canDraw reports why this is no terminal to draw on.
func canDraw(k *kit.Kit) error {
	if !kit.IsTerminal(k.Env.Stdout) || !kit.IsTerminal(k.Env.Stdin) {
		return &kit.Hinted{Err: errors.New("show top: standard input and output are no terminal"), Hint: "lodge top --once, or --json, prints one view and ends"}
	}
	if t := k.Getenv("TERM"); t == "dumb" || t == "" {
		return &kit.Hinted{Err: fmt.Errorf("show top: a terminal with TERM=%q cannot be drawn on", t), Hint: "TERM=xterm lodge top, or: lodge top --once"}
	}
	return nil
}

func printOnce(ctx context.Context, k *kit.Kit, src *source, opt tui.Options, asJSON bool) error {
	s, err := tui.Once(ctx, src, opt)
	if err != nil {
		return err
	}
	if asJSON {
		return k.PrintJSON(s.Report())
	}
	if err := s.WriteText(k.Out, kit.TerminalWidth(k.Env.Stdout)); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// drawLive draws on the terminal until the person or a signal ends it.
func drawLive(ctx context.Context, k *kit.Kit, src *source, opt tui.Options) error {
	sig := make(chan os.Signal, 8)
	defer k.TakeSignals(sig)()
	signal.Notify(sig, unix.SIGTSTP)
	defer signal.Stop(sig)
	err := tui.Run(ctx, src, opt, tui.Terminal{
		In: k.Env.Stdin, Out: k.Env.Stdout, Signals: sig,
		CanSuspend: hasJobControl,
	})
	var s *tui.Stopped
	if errors.As(err, &s) {
		if n, ok := s.Signal.(unix.Signal); ok {
			return kit.EndedBy(n)
		}
	}
	return err
}

// hasJobControl reports whether a shell waits for this process group: one that
// has none is never continued, and the kernel does not stop it (setpgid(2),
// credentials(7): orphaned process groups).
func hasJobControl() bool {
	pid, group := os.Getpid(), unix.Getpgrp()
	session, err := unix.Getsid(0)
	if err != nil {
		return false
	}
	for range 64 { // a chain of parents within the group, such as sudo
		st, err := procfs.ReadStat(pid)
		if err != nil || st.Parent <= 0 {
			return false
		}
		parent := st.Parent
		s, err := unix.Getsid(parent)
		if err != nil || s != session {
			return false
		}
		if g, err := unix.Getpgid(parent); err != nil || g != group {
			return err == nil
		}
		pid = parent
	}
	return false
}

// utf8 reports whether the locale's characters are UTF-8 (locale(7): the first of
// the three that is set counts).
func utf8(k *kit.Kit) bool {
	for _, key := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := k.Getenv(key); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
