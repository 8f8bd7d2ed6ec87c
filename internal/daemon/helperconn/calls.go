package helperconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// SetHosts has the helper write names to the machine's hosts file. Those that are
// another user's are returned.
func (n *Conn) SetHosts(ctx context.Context, entries []hosts.Entry) (refused []helperapi.Refusal, err error) {
	if os.Geteuid() == 0 && n.options.HostsFile == "" {
		return nil, errors.New("this daemon was not told which hosts file it may change (LODGE_HOSTS=/etc/hosts)")
	}
	err = n.Ask(ctx, func(c *helperapi.Client) (err error) {
		refused, err = c.SetHosts(ctx, entries)
		return err
	})
	if errors.Is(err, os.ErrNotExist) {
		return nil, errors.New("lodge's helper, which would tell them, is not installed")
	}
	return refused, err
}

// ListenWeb has the helper open port 80 or 443 of localhost.
func (n *Conn) ListenWeb(ctx context.Context, port uint16) (lns []net.Listener, err error) {
	err = n.Ask(ctx, func(c *helperapi.Client) (err error) {
		lns, err = c.ListenWeb(ctx, port)
		return err
	})
	return lns, err
}

// Missing reports why there is no helper, by the error of a call to it, and what to
// do. root: the daemon is root's, which starts its own.
func Missing(err error, root bool) (reason, hint string) {
	var why *stall.Error
	var version *helperapi.VersionError
	switch {
	case errors.As(err, &why):
		return err.Error(), why.Hint()
	case errors.As(err, &version) && !root:
		return err.Error(), version.Hint()
	case root:
		return fmt.Sprintf("it cannot be started: %v", err), ""
	case err == nil, errors.Is(err, os.ErrNotExist):
		return "not installed: it would listen on " + helperapi.SystemSocket, "sudo lodge setup"
	case localapi.NotRunning(err):
		return "nothing listens on " + helperapi.SystemSocket, "sudo lodge setup"
	}
	return err.Error(), ""
}
