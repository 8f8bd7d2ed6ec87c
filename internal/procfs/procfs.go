// Package procfs reads the few facts about processes that lodge needs from
// /proc (proc(5)). It keeps nothing and decides nothing.
package procfs

import (
	"fmt"
	"os"
	"strconv"
)

// ReadStat reads /proc/PID/stat of a process. A vanished process is
// os.ErrNotExist, or ESRCH if it ends while it is read.
func ReadStat(pid int) (Stat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return Stat{}, err
	}
	return ParseStat(b)
}

// StartTime returns the start of a process in clock ticks since boot (proc(5),
// field 22 of /proc/PID/stat). With the process id it names one process for
// ever. A vanished process is os.ErrNotExist.
func StartTime(pid int) (uint64, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("read start of process %d: %w", pid, err)
	}
	return parseStartTime(b)
}

func parseStartTime(stat []byte) (uint64, error) {
	s, err := ParseStat(stat)
	return s.Start, err
}

// Alive reports whether the process with this id and start time still is there,
// and not a zombie.
func Alive(pid int, start uint64) bool {
	s, err := ReadStat(pid)
	return err == nil && s.Start == start && s.State != 'Z' && s.State != 'X'
}
