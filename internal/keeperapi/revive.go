package keeperapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/pidfd"
	"lodge/internal/procfs"
	"lodge/internal/unixsock"
)

// ErrUnreachable says that the keeper runs and does not listen on its socket:
// it could not make it again.
var ErrUnreachable = errors.New("its socket is gone, and it cannot make it again")

// reviveFor is how long a keeper has to make its socket again.
const reviveFor = 3 * time.Second

// revive asks a keeper that runs to make its socket again, and connects to it.
// For one that has ended, or ends meanwhile, it returns ErrGone.
func (c Client) revive(ctx context.Context) (*net.UnixConn, error) {
	if c.PID <= 0 {
		return nil, ErrGone
	}
	rec, ok := FromProcess(c.PID)
	if !ok || rec.Config.Socket != c.Socket {
		return nil, ErrGone
	}
	over := time.Now().Add(reviveFor)
	for {
		// Asked more than once: a signal to a process that begins or ends is lost.
		_ = pidfd.Wake(rec.PID, rec.StartTime)
		if pidfd.AwaitEnd(rec.PID, rec.StartTime, 20*time.Millisecond) {
			return nil, ErrGone
		}
		conn, err := unixsock.Dial(ctx, c.Socket)
		if err == nil || !unixsock.Nobody(err) {
			return conn, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if time.Now().After(over) {
			if e, ok := c.Peer().Look(); ok {
				return nil, e
			}
			return nil, fmt.Errorf("process %d: %w", rec.PID, ErrUnreachable)
		}
	}
}

// Continue sends SIGCONT to the keeper's process, which must be known.
func (c Client) Continue() error {
	fd, err := unix.PidfdOpen(c.PID, 0)
	if err != nil {
		return fmt.Errorf("continue keeper %d: %w", c.PID, err)
	}
	defer unix.Close(fd)
	rec, ok := FromProcess(c.PID)
	if !ok || rec.Config.Socket != c.Socket || !procfs.Alive(c.PID, rec.StartTime) {
		return ErrGone
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0); err != nil {
		return fmt.Errorf("continue keeper %d: %w", c.PID, err)
	}
	return nil
}
