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

// Make makes the directories, private to this user. One that belongs to
// another user, or is a symbolic link, is an error: some are in /tmp and
// /var/tmp, where anybody may come first.
func (d Dirs) Make() error {
	for _, dir := range []string{d.Runtime, d.State} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		fi, err := os.Lstat(dir)
		if err != nil {
			return fmt.Errorf("look at directory: %w", err)
		}
		st, ok := fi.Sys().(*syscall.Stat_t)
		if !ok || !fi.IsDir() {
			return fmt.Errorf("use directory %s: it is none (a symbolic link?)", dir)
		}
		if int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("use directory %s: it belongs to user %d", dir, st.Uid)
		}
		if fi.Mode().Perm()&0o077 != 0 {
			if err := os.Chmod(dir, 0o700); err != nil {
				return fmt.Errorf("make directory private: %w", err)
			}
		}
	}
	return nil
}
