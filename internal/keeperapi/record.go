package keeperapi

import (
	"context"
	"time"

	"lodge/internal/pidfd"
	"lodge/internal/procfs"
)

// Retry is how long a keeper that could not be reached is left alone before it is
// tried again.
const Retry = time.Second

// Client returns a client of the keeper.
func (r Record) Client() Client {
	return Client{Socket: r.Config.Socket, Project: r.Config.Name, PID: r.PID}
}

// AwaitRetry waits for [Retry] after the connection to a keeper has ended. It reports
// whether there is nothing to try again: the keeper's process, or ctx, has ended.
func (r Record) AwaitRetry(ctx context.Context) (over bool) {
	for end := time.Now().Add(Retry); time.Now().Before(end); {
		if ctx.Err() != nil || pidfd.AwaitEnd(r.PID, r.StartTime, 100*time.Millisecond) {
			return true
		}
	}
	return !procfs.Alive(r.PID, r.StartTime)
}
