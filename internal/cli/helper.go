package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/spf13/cobra"

	"lodge/internal/helper"
)

// inheritedFD is the first descriptor that a process is given beside its
// input and output, by a daemon as by systemd (sd_listen_fds(3)).
const inheritedFD = 3

// helperCommand is the privileged process: a child of a daemon that runs as
// root, on an inherited socket; or the machine's, for all users.
func (a *app) helperCommand() *cobra.Command {
	var listen string
	var opts helper.Options
	var systemd bool
	c := &cobra.Command{
		Use:    "helper",
		Short:  "The privileged process (see lodge setup)",
		Hidden: true,
		Args:   args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			ctx, stop := a.serving(c.Context())
			defer stop()
			switch {
			case systemd:
				ln, err := net.FileListener(os.NewFile(inheritedFD, "socket"))
				if err != nil {
					return fmt.Errorf("take over systemd's socket: %w", err)
				}
				return a.helpAll(ctx, ln, opts)
			case listen != "":
				if err := os.Remove(listen); err != nil && !errors.Is(err, os.ErrNotExist) {
					return fmt.Errorf("replace %s: %w", listen, err)
				}
				ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: listen, Net: "unixpacket"})
				if err != nil {
					return fmt.Errorf("listen on %s: %w", listen, err)
				}
				if err := os.Chmod(listen, 0o666); err != nil {
					return fmt.Errorf("listen on %s: %w", listen, err)
				}
				return a.helpAll(ctx, ln, opts)
			}
			conn, err := helper.FromFile(os.NewFile(inheritedFD, "socket"))
			if err != nil {
				return err
			}
			return helper.Serve(ctx, conn, uint32(os.Getuid()), uint32(os.Getgid()), opts)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "serve all users on this socket")
	c.Flags().BoolVar(&systemd, "systemd", false, "serve all users on the socket that systemd passes")
	c.Flags().StringVar(&opts.HostsFile, "hosts", "", "keep the names below .test in this hosts file")
	c.Flags().Uint32Var(&opts.WebUser, "web-user", 0, "give ports 80 and 443 to the user with this `ID` only; 0: to the first who asks")
	return c
}

func (a *app) helpAll(ctx context.Context, ln net.Listener, opts helper.Options) error {
	u, ok := ln.(*net.UnixListener)
	if !ok {
		return fmt.Errorf("serve users: a %s socket is no Unix socket", ln.Addr().Network())
	}
	return helper.ServeListener(ctx, u, opts, func(err error) { fmt.Fprintln(a.err, "lodge: helper:", err) })
}
