package cli

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

	"lodge/internal/explain/gather"
	"lodge/internal/procfs"
	"lodge/internal/sockets/track"
	"lodge/internal/tui"
)

// topChoices are the flags of top.
type topChoices struct {
	view     string
	interval time.Duration
	once     bool
	asJSON   bool
	ascii    bool
}

func (a *app) topCommand() *cobra.Command {
	var ch topChoices
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
			return a.top(c.Context(), ch, strings.Join(words, " "))
		},
	}
	c.Flags().StringVar(&ch.view, "view", "", strings.Join(tui.ViewNames(), ", ")+" (default: projects if one is up, else listeners)")
	c.Flags().DurationVar(&ch.interval, "interval", 2*time.Second, "time between two readings")
	c.Flags().BoolVar(&ch.once, "once", false, "print the view once, as a table, and end")
	c.Flags().BoolVar(&ch.asJSON, "json", false, "print the view once, as JSON, and end")
	c.Flags().BoolVar(&ch.ascii, "ascii", false, "use no characters beyond ASCII (default: as the locale says)")
	completesFilter(c)
	_ = c.RegisterFlagCompletionFunc("view", cobra.FixedCompletions(tui.ViewNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// The bounds of --interval: below, lodge itself would be the load.
const (
	leastInterval = 100 * time.Millisecond
	mostInterval  = time.Hour
)

func (a *app) top(ctx context.Context, ch topChoices, filter string) error {
	if ch.interval < leastInterval || ch.interval > mostInterval {
		return &usageError{err: fmt.Errorf("show top: --interval %v is not between %v and %v", ch.interval, leastInterval, mostInterval), hint: "--interval 2s"}
	}
	if ch.view != "" && !slices.Contains(tui.ViewNames(), ch.view) {
		return &usageError{err: fmt.Errorf("show top: no view is called %q", ch.view), hint: "--view " + strings.Join(tui.ViewNames(), ", ")}
	}
	if _, err := parseTopFilter(filter); err != nil {
		return err
	}
	opt := tui.Options{
		View: ch.view, Interval: ch.interval, Filter: filter, ParseFilter: parseTopFilter,
		Color: a.wantsColor(a.env.Stdout),
		Own:   gather.Own,
		ASCII: ch.ascii || !a.utf8(), Privileged: os.Geteuid() == 0,
	}
	src := &topSource{holders: track.NewHolderCache(), text: a.explainText}
	if !ch.once && !ch.asJSON {
		if err := a.canShowTop(); err != nil {
			return err
		}
	}
	src.look = a.look(ctx)
	defer src.look.Close()
	if ch.once || ch.asJSON {
		return a.topOnce(ctx, src, opt, ch.asJSON)
	}
	return a.topLive(ctx, src, opt)
}

// canShowTop reports why this is no terminal to draw on.
func (a *app) canShowTop() error {
	if !isTerminal(a.env.Stdout) || !isTerminal(a.env.Stdin) {
		return &hinted{err: errors.New("show top: standard input and output are no terminal"), hint: "lodge top --once, or --json, prints one view and ends"}
	}
	if t := a.getenv("TERM"); t == "dumb" || t == "" {
		return &hinted{err: fmt.Errorf("show top: a terminal with TERM=%q cannot be drawn on", t), hint: "TERM=xterm lodge top, or: lodge top --once"}
	}
	return nil
}

func (a *app) topOnce(ctx context.Context, src *topSource, opt tui.Options, asJSON bool) error {
	s, err := tui.Once(ctx, src, opt)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(s.Report())
	}
	if err := s.WriteText(a.out, terminalWidth(a.env.Stdout)); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// topLive draws on the terminal until the person or a signal ends it.
func (a *app) topLive(ctx context.Context, src *topSource, opt tui.Options) error {
	sig := make(chan os.Signal, 8)
	defer a.signals.take(sig)()
	signal.Notify(sig, unix.SIGTSTP)
	defer signal.Stop(sig)
	err := tui.Run(ctx, src, opt, tui.Terminal{
		In: a.env.Stdin, Out: a.env.Stdout, Signals: sig,
		CanSuspend: hasJobControl,
	})
	var s *tui.Stopped
	if errors.As(err, &s) {
		if n, ok := s.Signal.(unix.Signal); ok {
			return &interrupted{n}
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
func (a *app) utf8() bool {
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := a.getenv(k); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
