package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"lodge/internal/keeper"
)

// daemonCommand becomes lodged: in the foreground, for a person who wants to see
// it. For every other command startDaemon starts it in the background.
func (a *app) daemonCommand() *cobra.Command {
	var live bool
	d := a.dirs()
	hostsFile := a.getenv("LODGE_HOSTS")
	c := &cobra.Command{
		Use:     "daemon",
		Short:   "The daemon, in the foreground (other commands start it by themselves)",
		Example: "  lodge daemon --live",
		Args:    args(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			args := []string{a.env.Lodged, "daemon", "--runtime-dir", d.Runtime, "--state-dir", d.State}
			if hostsFile != "" {
				args = append(args, "--hosts", hostsFile)
			}
			if live {
				args = append(args, "--live")
			}
			return a.missing(a.env.Lodged, syscall.Exec(a.env.Lodged, args, a.env.Environ))
		},
	}
	c.Flags().StringVar(&d.Runtime, "runtime-dir", d.Runtime, "where its socket is")
	c.Flags().StringVar(&d.State, "state-dir", d.State, "where its state and logs are")
	c.Flags().StringVar(&hostsFile, "hosts", hostsFile, "as root: keep the names below .test in this hosts file")
	c.Flags().BoolVar(&live, "live", false, "note from now on who opens and closes connections, not only while somebody asks")
	return c
}

// missing is the error of a program of lodge's that could not be started: it is
// looked for beside this one, and nowhere else.
func (a *app) missing(program string, err error) error {
	err = fmt.Errorf("start %s: %w", program, err)
	if errors.Is(err, os.ErrNotExist) {
		return &hinted{err: err, hint: "lodge, lodged and lodge-helper belong into one directory: go build -o " + filepath.Dir(program) + " ./cmd/..."}
	}
	return err
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
