package cli

import (
	"os"
	"os/signal"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lodge/internal/helper"
)

// helperCommand is the privileged process: a child of a daemon that runs as
// root, on an inherited socket.
func (a *app) helperCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "helper",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(c.Context(), unix.SIGINT, unix.SIGTERM)
			defer stop()
			conn, err := helper.FromFile(os.NewFile(3, "socket"))
			if err != nil {
				return err
			}
			return helper.Serve(ctx, conn, uint32(os.Getuid()), uint32(os.Getgid()))
		},
	}
}
