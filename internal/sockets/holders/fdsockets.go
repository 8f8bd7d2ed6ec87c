package holders

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ProcessSockets returns the inode numbers of the sockets that process pid has
// open, from /proc/PID/fd (proc(5)). A process that is gone has none; one that
// belongs to another user is an error (EACCES).
func ProcessSockets(pid int) (map[uint32]struct{}, error) {
	out := make(map[uint32]struct{})
	dir, err := os.Open("/proc/" + strconv.Itoa(pid) + "/fd")
	if vanished(err) {
		return out, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read sockets of process %d: %w", pid, err)
	}
	defer func() { _ = dir.Close() }() // only read from
	var link [64]byte
	for {
		names, err := dir.Readdirnames(512)
		for _, name := range names {
			// A descriptor may be closed between the listing and this.
			n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
			if err != nil {
				continue
			}
			if inode, ok := ParseLink(string(link[:n])); ok {
				out[inode] = struct{}{}
			}
		}
		if vanished(err) || len(names) == 0 {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read sockets of process %d: %w", pid, err)
		}
	}
}

func vanished(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH)
}

// ParseLink reads what a socket in /proc/PID/fd links to, "socket:[123]", and
// returns its inode number.
func ParseLink(s string) (uint32, bool) {
	s, ok := strings.CutPrefix(s, "socket:[")
	if !ok {
		return 0, false
	}
	s, ok = strings.CutSuffix(s, "]")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil
}
