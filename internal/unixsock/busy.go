package unixsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy says that the socket's queue is full: its process has accepted no
// connection for a while, as one that is stopped.
var ErrBusy = errors.New("its queue of connections is full")

const (
	busyMost  = 2 * time.Second
	busyAgain = 20 * time.Millisecond
)

// connect dials the path. connect(2) to a Unix socket whose queue is full gives
// EAGAIN at once where it may not block, which is no event to wait for: connect
// tries anew for a moment.
func connect(ctx context.Context, path string) (*net.UnixConn, error) {
	var d net.Dialer
	over := time.Now().Add(busyMost)
	for {
		c, err := d.DialContext(ctx, "unix", path)
		if err == nil {
			return c.(*net.UnixConn), nil
		}
		if !errors.Is(err, unix.EAGAIN) {
			return nil, err
		}
		if time.Now().After(over) {
			return nil, fmt.Errorf("%w: %w", ErrBusy, err)
		}
		t := time.NewTimer(busyAgain)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, ctx.Err()
		}
	}
}
