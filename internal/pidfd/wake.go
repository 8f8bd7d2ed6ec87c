package pidfd

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// Wake sends SIGUSR1 to the process that has this id and began at start, if it
// has a handler for it: to any other program the signal would be the end. It
// returns ErrGone for a process that has ended.
func Wake(pid int, start uint64) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return fmt.Errorf("wake process %d: %w", pid, ErrGone)
	}
	defer func() { _ = unix.Close(fd) }() // nothing is written
	if !procfs.Alive(pid, start) {
		return fmt.Errorf("wake process %d: %w", pid, ErrGone)
	}
	if !procfs.Catches(pid, unix.SIGUSR1) {
		return fmt.Errorf("wake process %d: it does not listen to SIGUSR1", pid)
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGUSR1, nil, 0); err != nil {
		return fmt.Errorf("wake process %d: %w", pid, err)
	}
	return nil
}

// AwaitEnd waits until the process has ended, at most for so long, and reports
// whether it has.
func AwaitEnd(pid int, start uint64, most time.Duration) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return !procfs.Alive(pid, start)
	}
	defer func() { _ = unix.Close(fd) }() // nothing is written
	for over := time.Now().Add(most); procfs.Alive(pid, start); {
		left := time.Until(over)
		if left <= 0 {
			return false
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds())+1)
	}
	return true
}
