package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// endProcess sends a signal to the process that has this id and began at start
// (clock ticks since boot), and waits until it is gone, or until grace is
// over. A process id is used again: the process is held by a descriptor
// (pidfd_open(2)) and its start looked at after that, so that no other process
// can get the signal. One that is gone already is gone.
func endProcess(ctx context.Context, pid int, start uint64, sig unix.Signal, grace time.Duration) (gone bool, err error) {
	fail := func(err error) (bool, error) {
		if errors.Is(err, unix.EPERM) {
			return false, &hinted{err: fmt.Errorf("end process %d: it is another user's: %w", pid, err), hint: "sudo lodge top"}
		}
		return false, fmt.Errorf("end process %d: %w", pid, err)
	}
	if pid <= 1 || pid == os.Getpid() {
		return fail(errors.New("it is not to be ended this way"))
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return true, nil
	}
	if err != nil {
		return fail(err)
	}
	defer unix.Close(fd)
	switch now, err := procfs.StartTime(pid); {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, unix.ESRCH): // it may end while it is read
		return true, nil
	case err != nil:
		return fail(err)
	case now != start:
		return true, nil // another one has its id
	}
	switch err := unix.PidfdSendSignal(fd, sig, nil, 0); {
	case errors.Is(err, unix.ESRCH):
		return true, nil
	case err != nil:
		return fail(err)
	}
	// A stopped process takes the signal when it goes on; it may be gone by now.
	_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
	return waitPidfd(ctx, fd, grace)
}

// waitPidfd waits for the end of a process; a descriptor of one is readable
// from its end on, also while it is a zombie.
func waitPidfd(ctx context.Context, fd int, grace time.Duration) (bool, error) {
	r, w, err := os.Pipe() // wakes the poll when ctx ends
	if err != nil {
		return false, err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer func() {
		if stop() {
			_ = w.Close()
		}
	}()
	end := time.Now().Add(grace)
	for {
		left := time.Until(end)
		if left < 0 {
			return false, nil
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, int(left.Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false, fmt.Errorf("wait for process: %w", err)
		case fds[0].Revents&unix.POLLIN != 0:
			return true, nil
		case fds[1].Revents != 0:
			return false, ctx.Err()
		}
	}
}
