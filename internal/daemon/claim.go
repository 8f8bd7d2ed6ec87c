package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/procfs"
	"lodge/internal/statefile"
	"lodge/internal/unixsock"
)

// claim is what makes this process the daemon of its two directories: it holds
// the lock files of both. A client that looks for the daemon reads its process id there.
//
// The rule for two daemons: the one that has locked the file that stands in the
// runtime directory now is the daemon. The file in the state directory is
// locked first, so that no process becomes the daemon of a runtime directory that
// was just emptied while the one before lives. Where the state directory cannot
// have a lock, that of the runtime directory is enough.
type claim struct {
	paths []string
	files []*os.File // nil for one that cannot be had
}

// takeClaim locks both files. Another daemon that has them is ErrRunning.
func takeClaim(dirs localapi.Dirs) (*claim, error) {
	c := &claim{paths: dirs.Locks()}
	c.files = make([]*os.File, len(c.paths))
	for i, path := range c.paths {
		f, err := takeLock(path)
		if errors.Is(err, ErrRunning) || err != nil && i == len(c.paths)-1 {
			return nil, errors.Join(err, c.close())
		}
		c.files[i] = f
	}
	return c, nil
}

// takeLock locks the file at path and writes this process's id into it.
func takeLock(path string) (*os.File, error) {
	if err := unixsock.MakeDirs(filepath.Dir(path), 2); err != nil {
		return nil, err
	}
	f, err := statefile.Create(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrRunning
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// A full disk is no reason not to serve: the daemon is found by its
	// arguments too.
	if start, err := procfs.StartTime(os.Getpid()); err == nil {
		_ = f.Truncate(0)
		_, _ = f.WriteAt(fmt.Appendf(nil, "%d %d\n", os.Getpid(), start), 0)
	}
	return f, nil
}

// restore takes the locks again whose files are gone. It returns ErrRunning if
// another daemon has the runtime directory by now.
func (c *claim) restore() error {
	for i, path := range c.paths {
		if c.holds(i) {
			continue
		}
		f, err := takeLock(path)
		if err != nil {
			if i == len(c.paths)-1 {
				return err
			}
			continue // the second one is not needed, and is tried again
		}
		if c.files[i] != nil {
			_ = c.files[i].Close()
		}
		c.files[i] = f
	}
	return nil
}

// holds reports whether the lock file at its path is the one that is locked.
func (c *claim) holds(i int) bool {
	if c.files[i] == nil {
		return false
	}
	there, err := os.Lstat(c.paths[i])
	if err != nil {
		return false
	}
	ours, err := c.files[i].Stat()
	return err == nil && os.SameFile(there, ours)
}

func (c *claim) intact() bool {
	for i := range c.paths {
		if !c.holds(i) {
			return false
		}
	}
	return true
}

// close gives up the locks. The files stay, without a process id in them.
func (c *claim) close() error {
	var errs []error
	for i, f := range c.files {
		if f == nil {
			continue
		}
		c.files[i] = nil
		_ = f.Truncate(0)
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
