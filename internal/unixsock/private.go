package unixsock

import (
	"fmt"
	"os"
	"syscall"
)

// PrivateDir leaves others no rights to a directory but those in mode. One that
// belongs to another user, or a symbolic link that neither this user nor root
// made, is an error: some are in /tmp and /var/tmp, where anybody may come first.
func PrivateDir(path string, mode os.FileMode) error {
	owner, err := makePrivate(path, mode)
	if err != nil {
		return fmt.Errorf("use directory %s: %w", path, err)
	}
	if owner != os.Geteuid() {
		return fmt.Errorf("use directory %s: it belongs to user %d", path, owner)
	}
	return nil
}

// makePrivate changes the mode of a directory that is this user's, and returns
// its owner: for a symbolic link the link's owner, unless that is root or this
// user, and then the directory's.
func makePrivate(path string, mode os.FileMode) (owner int, err error) {
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
	if fi.Mode().Perm()&0o077 != mode&0o077 || fi.Mode().Perm()&0o700 != 0o700 {
		err = os.Chmod(path, mode)
	}
	return me, err
}

func ownerOf(fi os.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1 // not known: it will be refused
}
