package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/daemon"
	"lodge/internal/keeper"
	"lodge/internal/pace"
)

// daemonLinger is how long a daemon that a command started stays when nothing
// is up.
const daemonLinger = time.Second

// daemonCommand is the daemon: in the foreground for a person who wants to see
// it, in the background for every other command.
func (a *app) daemonCommand() *cobra.Command {
	var background, live bool
	d := a.dirs()
	hostsFile := a.getenv("LODGE_HOSTS")
	c := &cobra.Command{
		Use:     "daemon",
		Short:   "The daemon, in the foreground (other commands start it by themselves)",
		Example: "  lodge daemon --live",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := a.serving(c.Context())
			defer stop()
			cfg := daemon.Config{
				Dirs: d, Exe: a.env.Exe, Version: a.env.Version, Output: a.env.Stderr,
				HostsFile: hostsFile,
				Log:       slog.New(slog.NewTextHandler(a.env.Stderr, nil)),
				LiveMap:   live,
			}
			pace := pace.New(a.getenv("GOMAXPROCS"))
			cfg.Busy = pace.Wake
			var paced sync.WaitGroup
			defer paced.Wait()
			paced.Go(func() { pace.Run(ctx) })
			defer stop()
			say := func(string) {}
			if background {
				cfg.Linger = daemonLinger
				ready := os.NewFile(3, "ready")
				say = func(word string) {
					_, _ = fmt.Fprintln(ready, word) // who started it may be gone
					_ = ready.Close()
				}
			}
			dm, err := daemon.New(ctx, cfg)
			if errors.Is(err, daemon.ErrRunning) && background {
				say("busy")
				return nil
			}
			if err != nil {
				say(err.Error())
				return err
			}
			return dm.Run(ctx, func() { say("ok") })
		},
	}
	c.Flags().StringVar(&d.Runtime, "runtime-dir", d.Runtime, "where its socket is")
	c.Flags().StringVar(&d.State, "state-dir", d.State, "where its state and logs are")
	c.Flags().StringVar(&hostsFile, "hosts", hostsFile, "as root: keep the names below .test in this hosts file")
	c.Flags().BoolVar(&live, "live", false, "note from now on who opens and closes connections, not only while somebody asks")
	c.Flags().BoolVar(&background, "background", false, "end when nothing is up")
	_ = c.Flags().MarkHidden("background")
	return c
}

// keeperCommand is what the daemon starts for each project.
func (a *app) keeperCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "keeper [ID]",
		Hidden: true,
		Args:   args(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := a.serving(c.Context())
			defer stop()
			return keeper.Run(ctx)
		},
	}
}
