package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// UserIDs returns the user ids of a process: real, effective, saved, and of the
// file system (/proc/PID/status, Uid; proc_pid_status(5)).
func UserIDs(pid int) ([4]uint32, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return [4]uint32{}, fmt.Errorf("find owner of process %d: %w", pid, err)
	}
	ids, ok := ParseUserIDs(b)
	if !ok {
		return ids, fmt.Errorf("find owner of process %d: its status does not tell", pid)
	}
	return ids, nil
}

// ParseUserIDs is [UserIDs] of the text of /proc/PID/status; ok is false if that
// has no such line, or another form.
func ParseUserIDs(status []byte) (ids [4]uint32, ok bool) {
	for line := range bytes.Lines(status) {
		rest, found := bytes.CutPrefix(line, []byte("Uid:"))
		if !found {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) != len(ids) {
			return [4]uint32{}, false
		}
		for i, f := range fields {
			n, err := strconv.ParseUint(string(f), 10, 32)
			if err != nil {
				return [4]uint32{}, false
			}
			ids[i] = uint32(n)
		}
		return ids, true
	}
	return [4]uint32{}, false
}
