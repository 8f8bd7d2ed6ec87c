package helper

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"lodge/internal/canary"
	"lodge/internal/helperapi"
)

// inheritedFD is the first descriptor that a process is given beside its input
// and output, by a daemon as by systemd (sd_listen_fds(3)).
const inheritedFD = 3

// ErrUsage is wrong arguments of the program.
var ErrUsage = errors.New("read arguments of lodge-helper")

// Main is the program lodge-helper: it serves its parent, a daemon that runs as
// root, on an inherited socket; or all users, on one that it opens or that
// systemd passes. It returns when ctx ends, or its one client has gone.
func Main(ctx context.Context, args []string, stderr io.Writer) error {
	var listen string
	var systemd, sing bool
	var opts Options
	flags := flag.NewFlagSet("lodge-helper", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&listen, "listen", "", "serve all users on this socket")
	flags.BoolVar(&systemd, "systemd", false, "serve all users on the socket that systemd passes")
	flags.StringVar(&opts.HostsFile, "hosts", "", "keep the names below .test in this hosts file")
	flags.BoolVar(&sing, "canary", false, "be the process that is probed before any other, and end")
	flags.Func("web-user", "give ports 80 and 443 to the user with this ID only; 0: to the first that asks", opts.setWebUser)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: %w", ErrUsage, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: %q is one too many", ErrUsage, flags.Arg(0))
	}
	if sing {
		canary.Sing()
		return nil
	}
	var ln *net.UnixListener
	var err error
	switch {
	case systemd:
		if err := checkInstalled(); err != nil {
			return err
		}
		ln, err = inheritedListener()
	case listen != "":
		ln, err = listenAt(listen)
	default:
		conn, err := helperapi.FromFile(os.NewFile(inheritedFD, "socket"))
		if err != nil {
			return fmt.Errorf("serve a daemon: %w", err)
		}
		return Serve(ctx, conn, uint32(os.Getuid()), uint32(os.Getgid()), opts)
	}
	if err != nil {
		return err
	}
	return ServeListener(ctx, ln, opts, func(err error) { fmt.Fprintln(stderr, "lodge-helper:", err) })
}

func inheritedListener() (*net.UnixListener, error) {
	ln, err := net.FileListener(os.NewFile(inheritedFD, "socket"))
	if err != nil {
		return nil, fmt.Errorf("take over systemd's socket: %w", err)
	}
	u, ok := ln.(*net.UnixListener)
	if !ok {
		return nil, fmt.Errorf("take over systemd's socket: a %s socket is no Unix socket", ln.Addr().Network())
	}
	return u, nil
}

// listenAt opens the socket at path for every user, in the place of one that was
// left there.
func listenAt(path string) (*net.UnixListener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace %s: %w", path, err)
	}
	ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), ln.Close())
	}
	return ln, nil
}
