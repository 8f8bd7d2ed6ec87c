// Package procfs reads the few facts about processes that lodge needs from
// /proc (proc(5)). It keeps nothing and decides nothing.
package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// StartTime gives the start of a process in clock ticks since boot (proc(5),
// field 22 of /proc/PID/stat). With the process id it names one process for
// ever. A vanished process is os.ErrNotExist.
func StartTime(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("read start of process %d: %w", pid, err)
	}
	return parseStartTime(b)
}

// parseStartTime reads field 22. The name in field 2 may hold blanks and
// parentheses, so the count begins after the last ")".
func parseStartTime(stat []byte) (uint64, error) {
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, fmt.Errorf("read process stat: no name in %q", stat)
	}
	f := bytes.Fields(stat[i+1:])
	if len(f) < 20 {
		return 0, fmt.Errorf("read process stat: %d fields after the name", len(f))
	}
	n, err := strconv.ParseUint(string(f[19]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read process stat: start time: %w", err)
	}
	return n, nil
}

// Alive says whether the process with this id and start time still is there,
// and not a zombie.
func Alive(pid int, start uint64) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	n, err := parseStartTime(b)
	if err != nil || n != start {
		return false
	}
	i := bytes.LastIndexByte(b, ')')
	rest := bytes.TrimSpace(b[i+1:])
	return len(rest) > 0 && rest[0] != 'Z' && rest[0] != 'X'
}
