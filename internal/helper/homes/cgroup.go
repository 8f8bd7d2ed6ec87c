package homes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
)

// makeTree makes the cgroups of a home and gives them to the user: the
// directories, and the files that cgroups(7) and the kernel's
// admin-guide/cgroup-v2 ("Delegation") name. To start a process straight in a
// child, the keeper must be able to write the cgroup.procs of the common
// ancestor, which is the home's.
func makeTree(p helperapi.Place, uid, gid uint32) error {
	if err := makeDir(p.Path()); err != nil {
		return err
	}
	// The user cannot write these. They bound what removing has to walk.
	for name, limit := range map[string]string{"cgroup.max.descendants": "4096", "cgroup.max.depth": "16"} {
		if err := writeFile(filepath.Join(p.Path(), name), limit); err != nil {
			return fmt.Errorf("limit cgroup: %w", err)
		}
	}
	for _, dir := range []string{p.Path(), filepath.Join(p.Path(), "keeper"), filepath.Join(p.Path(), "in")} {
		if dir != p.Path() {
			if err := makeDir(dir); err != nil {
				return err
			}
		}
		for _, f := range []string{"", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads", "cgroup.kill"} {
			if err := os.Chown(filepath.Join(dir, f), int(uid), int(gid)); err != nil {
				return fmt.Errorf("give cgroup to user %d: %w", uid, err)
			}
		}
	}
	return nil
}

// makeDir makes a cgroup that every user may look into, whatever the umask.
func makeDir(path string) error {
	if err := os.Mkdir(path, 0o755); err != nil {
		return fmt.Errorf("make cgroup: %w", err)
	}
	if err := os.Chmod(path, 0o755); err != nil {
		return errors.Join(fmt.Errorf("make cgroup: %w", err), unix.Rmdir(path))
	}
	// Pressure stall accounting costs each wake-up a little at every level of the
	// tree, which a home must not. Older kernels than 6.1 cannot do without.
	_ = writeFile(filepath.Join(path, "cgroup.pressure"), "0")
	return nil
}

// writeFile writes to a file that exists.
func writeFile(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

// isPopulated reports whether a process is in the cgroup or below.
func isPopulated(path string) (bool, error) {
	b, err := os.ReadFile(filepath.Join(path, "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read cgroup: %w", err)
	}
	return bytes.Contains(b, []byte("populated 1")), nil
}

// killLook is how often killTree sees whether its context has ended.
const killLook = 200 * time.Millisecond

// killTree sends SIGKILL to all processes of the cgroup and waits until they
// are gone, at most for ten seconds or until ctx ends.
func killTree(ctx context.Context, path string) error {
	if err := writeFile(filepath.Join(path, "cgroup.kill"), "1"); err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	f, err := os.Open(filepath.Join(path, "cgroup.events"))
	if err != nil {
		return fmt.Errorf("kill cgroup: %w", err)
	}
	defer f.Close()
	deadline := time.Now().Add(10 * time.Second)
	buf := make([]byte, 256)
	for {
		// Reading arms the notification: a change after it wakes poll.
		n, err := f.ReadAt(buf, 0)
		if n == 0 && err != nil {
			return fmt.Errorf("kill cgroup: %w", err)
		}
		if !bytes.Contains(buf[:n], []byte("populated 1")) {
			return nil
		}
		left := time.Until(deadline)
		if left <= 0 {
			return fmt.Errorf("kill cgroup %s: processes are left after ten seconds", path)
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("kill cgroup %s: processes are left: %w", path, err)
		}
		wait := min(left, killLook)
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}, int(wait.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("kill cgroup: %w", err)
		}
	}
}

// removeTree removes a cgroup and those below it. It is not an error if it
// is gone already.
func removeTree(path string) error {
	var dirs []string
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && d.IsDir() {
			dirs = append(dirs, p)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove cgroup: %w", err)
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		err := unix.Rmdir(dirs[i])
		if errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("remove cgroup %s: processes are in it", dirs[i])
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove cgroup %s: %w", dirs[i], err)
		}
	}
	return nil
}

// lockBase takes the lock of the helper that looks after this base. The
// kernel drops it with the helper. held is false if another has it.
func lockBase(path string) (f *os.File, held bool, err error) {
	f, err = os.Open(path)
	if err != nil {
		return nil, false, fmt.Errorf("lock cgroup: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return f, true, nil
	}
	closeErr := f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, false, closeErr
	}
	return nil, false, errors.Join(fmt.Errorf("lock cgroup %s: %w", path, err), closeErr)
}

// dropBase removes a base that has no home left, unless a helper has it.
func dropBase(path string) error {
	lock, held, err := lockBase(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !held {
		return err
	}
	err = unix.Rmdir(path)
	if errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.ENOENT) {
		err = nil
	}
	return errors.Join(err, lock.Close())
}
