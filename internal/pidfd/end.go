// Package pidfd ends processes by a descriptor of them (pidfd_open(2)), so that
// no other process that has got the same number meanwhile is ever signalled.
package pidfd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// Errors of End.
var (
	// ErrGone says that the process had ended before it was signalled.
	ErrGone = errors.New("it has ended already")
	// ErrStays says that the process did not end in time.
	ErrStays = errors.New("it has not ended")
)

// End sends a signal to the process that has this id and began at start (clock
// ticks since boot, proc_pid_stat(5)), and waits until it has ended, at most
// for grace. It gives nil, ErrGone, ErrStays, the context's error, or that of a
// system call: unix.EPERM for another user's process. A process that is stopped
// is made to go on, so that it takes the signal.
func End(ctx context.Context, pid int, start uint64, sig unix.Signal, grace time.Duration) error {
	if err := end(ctx, pid, start, sig, grace); err != nil {
		return fmt.Errorf("end process %d: %w", pid, err)
	}
	return nil
}

func end(ctx context.Context, pid int, start uint64, sig unix.Signal, grace time.Duration) error {
	if pid <= 1 || pid == os.Getpid() {
		return errors.New("it is not to be ended this way")
	}
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return ErrGone
	}
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // nothing is written
	st, err := procfs.ReadStat(pid)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) { // it may end while it is read
		return ErrGone
	}
	if err != nil {
		return err
	}
	// A zombie whose other threads go on has more than one.
	if st.Start != start || st.State == 'Z' && st.Threads <= 1 {
		return ErrGone
	}
	switch err := unix.PidfdSendSignal(fd, sig, nil, 0); {
	case errors.Is(err, unix.ESRCH):
		return ErrGone
	case err != nil:
		return err
	}
	_ = unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0) // it may be gone by now
	return wait(ctx, fd, grace)
}

// wait waits until a pidfd becomes readable, which is when the process has
// ended, also while it is a zombie.
func wait(ctx context.Context, fd int, grace time.Duration) error {
	// Another descriptor becomes readable when the context ends, so that one
	// poll waits for both.
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	stop := context.AfterFunc(ctx, func() { _ = w.Close() })
	defer func() {
		if stop() {
			_ = w.Close()
		}
	}()
	over := time.Now().Add(grace)
	for {
		left := time.Until(over)
		if left < 0 {
			return fmt.Errorf("%w after %s", ErrStays, grace)
		}
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(r.Fd()), Events: unix.POLLIN}}
		_, err := unix.Poll(fds, int(left.Milliseconds())+1)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for it: %w", err)
		case fds[0].Revents != 0:
			return nil
		case fds[1].Revents != 0:
			return ctx.Err()
		}
	}
}
