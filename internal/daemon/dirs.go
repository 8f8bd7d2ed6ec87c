package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"lodge/internal/localapi"
)

// MakeDirs makes a daemon's directories and sees that they are this user's,
// and private. Some are in /tmp and /var/tmp, where anybody may come first:
// nothing may be opened in them before this was called.
func MakeDirs(dirs localapi.Dirs) error {
	for _, d := range []struct{ path, variable string }{{dirs.Runtime, "XDG_RUNTIME_DIR"}, {dirs.State, "XDG_STATE_HOME"}} {
		if err := os.MkdirAll(d.path, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		owner, err := makePrivate(d.path)
		if err != nil {
			return fmt.Errorf("use directory %s: %w", d.path, err)
		}
		if owner != os.Geteuid() {
			return &localapi.Error{
				Message: fmt.Sprintf("use directory %s: it belongs to user %d", d.path, owner),
				Hint:    "set " + d.variable + " to a directory of your own",
			}
		}
	}
	for _, p := range []string{filepath.Join(dirs.Runtime, "k"), filepath.Join(dirs.State, "logs")} {
		if err := os.MkdirAll(p, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
	}
	return nil
}

// makePrivate takes the rights of others to a directory away, if it is this
// user's, and says whose it is: for a symbolic link the link's owner, as far
// as that is neither root nor this user, and then the directory's.
func makePrivate(path string) (owner int, err error) {
	me := os.Geteuid()
	fi, err := os.Lstat(path)
	if err != nil {
		return -1, err
	}
	if fi.Mode()&os.ModeSymlink != 0 {
		if uid := ownerOf(fi); uid != 0 && uid != me {
			return uid, nil
		}
		if fi, err = os.Stat(path); err != nil {
			return -1, err
		}
	}
	if uid := ownerOf(fi); uid != me {
		return uid, nil
	}
	if fi.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(path, 0o700)
	}
	return me, err
}

func ownerOf(fi os.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1 // nobody's: it will be refused
}
