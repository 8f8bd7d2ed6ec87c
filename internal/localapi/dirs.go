package localapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"

	"lodge/internal/unixsock"
)

// Dirs are the directories of one daemon.
type Dirs struct {
	Runtime string // the socket, the keepers' sockets and records
	State   string // state.json, logs
}

// Socket is the daemon's.
func (d Dirs) Socket() string { return d.Runtime + "/lodge.sock" }

// Spare is the directory below State with what makes the runtime directory
// dispensable: a second lock of the daemon, and a second record of each keeper.
// logind and cleaners of temporary directories do not empty it. Each runtime
// directory has its own.
func (d Dirs) Spare() string {
	sum := sha256.Sum256([]byte(d.Runtime))
	return d.State + "/run-" + hex.EncodeToString(sum[:6])
}

// Trust is the directory of the certificate authority.
func (d Dirs) Trust() string { return d.State + "/trust" }

// Keepers is the directory of the keepers' sockets and records.
func (d Dirs) Keepers() string { return d.Runtime + "/k" }

// Locks are the files that the daemon holds locked, in the order in which it
// takes them.
func (d Dirs) Locks() []string {
	return []string{d.Spare() + "/lodge.lock", d.Runtime + "/lodge.lock"}
}

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
		err := os.MkdirAll(dir, mode)
		if _, there := os.Lstat(dir); err != nil && there == nil {
			// It is no directory, such as a link to nowhere: it is set aside.
			if err := unixsock.MakeDirs(dir, 1); err != nil {
				return err
			}
		} else if err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := unixsock.PrivateDir(dir, mode); err != nil {
			return err
		}
	}
	return nil
}
