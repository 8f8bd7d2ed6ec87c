package hostnames

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"

	"lodge/internal/hosts"
	"lodge/internal/procfs"
)

// isMine reports whether a block is that of another client of the same user.
func (n *Names) isMine(owner string) bool {
	uid, _, ok := strings.Cut(owner, "/")
	return ok && uid == strconv.FormatUint(uint64(n.uid), 10)
}

func userOf(owner string) string {
	if owner == "" {
		return "another line of the hosts file"
	}
	uid, _, _ := strings.Cut(owner, "/")
	return "user " + uid
}

// newOwner makes the mark of one client's block: its user, the helper's
// process, and what tells it from the other clients.
func newOwner(uid uint32) (string, error) {
	start, err := procfs.StartTime(os.Getpid())
	if err != nil {
		return "", err
	}
	var random [4]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return fmt.Sprintf("%d/%d:%d/%s", uid, os.Getpid(), start, hex.EncodeToString(random[:])), nil
}

// IsStale reports whether the helper of a block was killed before it could remove it.
func IsStale(owner string) bool {
	pid, start, ok := helperOf(owner)
	return ok && !procfs.Alive(pid, start)
}

// IsOurs reports whether a block is one of this process.
func IsOurs(owner string) bool {
	pid, _, ok := helperOf(owner)
	return ok && pid == os.Getpid()
}

// helperOf reads the helper's process out of a block's mark.
func helperOf(owner string) (pid int, start uint64, ok bool) {
	parts := strings.Split(owner, "/")
	if len(parts) != 3 {
		return 0, 0, false // not one of ours
	}
	p, st, ok := strings.Cut(parts[1], ":")
	pid, err := strconv.Atoi(p)
	start, serr := strconv.ParseUint(st, 10, 64)
	return pid, start, ok && err == nil && serr == nil
}

// Clear removes the blocks whose owner gone reports, if there is a file.
func Clear(file string, gone func(owner string) bool) error {
	if file == "" {
		return nil
	}
	return hosts.File{Path: file}.Remove(gone)
}
