package hosts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockPatience is how long the lock is waited for, at most. It is held for the
// time of one write, unless its holder was stopped.
const lockPatience = 5 * time.Second

// lockPoll is how often a lock that another process holds is asked for again:
// flock(2) has no time limit of its own.
const lockPoll = 10 * time.Millisecond

// lock takes the lock for changes of the hosts file at path, and returns what
// gives it up. The lock (flock(2)) is on a file of its own beside it, which
// exists for as long as the lock is held or waited for and which only its owner
// can open: a process that can open a file may lock it, and so every user can lock the
// hosts file itself, and its directory.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockPatience, fmt.Errorf("another process has held the lock for %v", lockPatience))
	defer cancel()
	name := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-lodge.lock")
	poll := time.NewTicker(lockPoll)
	defer poll.Stop()
	for {
		f, err := tryLock(name)
		if err != nil {
			return nil, fmt.Errorf("lock it: %w", err)
		}
		if f != nil {
			return func() {
				_ = os.Remove(name) // first, so that the next one makes its own
				_ = f.Close()
			}, nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("lock it: %w", context.Cause(ctx))
		}
	}
}

// tryLock returns nil where another process has the lock.
func tryLock(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if errors.Is(err, unix.EROFS) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		// A directory that takes no files: the hosts file is a mount point, and
		// the directory's own lock is all that there is.
		return flockFile(os.Open(filepath.Dir(name)))
	}
	if f, err = flockFile(f, err); f == nil || err != nil {
		return nil, err
	}
	// The holder before may have removed the file that was opened.
	var mine, there unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &mine); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if int(mine.Uid) != os.Geteuid() {
		return nil, errors.Join(fmt.Errorf("%s belongs to user %d", name, mine.Uid), f.Close())
	}
	if err := unix.Lstat(name, &there); err != nil || there.Ino != mine.Ino || there.Dev != mine.Dev {
		return nil, f.Close()
	}
	return f, nil
}

func flockFile(f *os.File, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, unix.EINTR) {
		err = nil
	}
	return nil, errors.Join(err, f.Close())
}
