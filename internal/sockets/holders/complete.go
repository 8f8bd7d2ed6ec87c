package holders

import (
	"context"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Complete reads from /proc what f asks for and a live map does not tell of
// processes, between which may be nils. inside says, by index, which may be a
// service's. A process that has ended, or whose id is another process's by now,
// keeps what the map told.
func Complete(ctx context.Context, f Request, processes []*Process, inside map[int]bool) error {
	proc, err := OpenProc()
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(proc) }() // only read from
	w := &searcher{search: &search{Request: f, proc: proc}}
	for i, p := range processes {
		if p == nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if p.StartedAt == nil && p.Start != 0 && !w.Boot.IsZero() {
			at := StartedAt(w.Boot, p.Start)
			p.StartedAt = &at
		}
		if w.Details == 0 && !inside[i] {
			if p.Command == "" {
				w.complete(p)
			}
			continue
		}
		dir, err := unix.Openat(proc, strconv.Itoa(p.PID), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if now := w.describe(dir, p.PID, inside[i]); now != nil && now.Start == p.Start {
			*p = *now
		}
		_ = unix.Close(dir) // only read from
	}
	return nil
}

// StartedAt returns when a process started that did so start clock ticks after the boot
// (starttime in proc_pid_stat(5)), which the time of day has been set by since or not: it
// is as exact as a tick.
func StartedAt(boot time.Time, start uint64) time.Time {
	return boot.Add(time.Duration(start) * (time.Second / ticks)).Round(time.Second / ticks)
}
