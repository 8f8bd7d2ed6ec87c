package localapi

import (
	"fmt"
	"os"
	"syscall"
)

// Dirs are the directories of one daemon.
type Dirs struct {
	Runtime string // the socket, the keepers' sockets and records
	State   string // state.json, logs
}

// Socket is the daemon's.
func (d Dirs) Socket() string { return d.Runtime + "/lodge.sock" }

// Make makes the directories, private to this user. Root's state may be walked
// through, though not listed: its services, which may change their user, read
// the certificates below it; all else there is private itself. One that belongs to
// another user, or a symbolic link that neither this user nor root made, is an
// error: some are in /tmp and /var/tmp, where anybody may come first. Nothing
// may be opened in them before.
func (d Dirs) Make() error {
	for _, dir := range []string{d.Runtime, d.State} {
		mode := os.FileMode(0o700)
		if dir == d.State && os.Geteuid() == 0 {
			mode = 0o711
		}
		if err := os.MkdirAll(dir, mode); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		owner, err := makePrivate(dir, mode)
		if err != nil {
			return fmt.Errorf("use directory %s: %w", dir, err)
		}
		if owner != os.Geteuid() {
			return fmt.Errorf("use directory %s: it belongs to user %d", dir, owner)
		}
	}
	return nil
}

// makePrivate leaves others no rights to a directory but those in mode, if it
// is this user's, and says whose it is: for a symbolic link the link's owner, unless
// that is root or this user, and then the directory's.
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
	if fi.Mode().Perm()&0o077 != mode&0o077 {
		err = os.Chmod(path, mode)
	}
	return me, err
}

func ownerOf(fi os.FileInfo) int {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1 // nobody's: it will be refused
}
