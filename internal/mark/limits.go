package mark

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// infinity is RLIM_INFINITY as the kernel has it.
const infinity = ^uint64(0)

// limits are a process's soft and hard RLIMIT_RTTIME, in microseconds.
type limits struct{ soft, hard uint64 }

// label is the line's name in /proc/PID/limits, which is padded with blanks
// (proc_pid_limits of fs/proc/base.c).
const label = "Max realtime timeout "

// parseLimits reads /proc/PID/limits (proc(5)). An empty file is that of a
// process that is gone.
func parseLimits(b []byte) (limits, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(label))
		if !ok {
			continue
		}
		f := bytes.Fields(rest)
		if len(f) < 2 {
			return limits{}, fmt.Errorf("read limits: line %q", line)
		}
		soft, err := parseLimit(f[0])
		hard, err2 := parseLimit(f[1])
		if err = errors.Join(err, err2); err != nil {
			return limits{}, fmt.Errorf("read limits: %w", err)
		}
		return limits{soft, hard}, nil
	}
	return limits{}, errors.New("read limits: there is no realtime timeout")
}

func parseLimit(b []byte) (uint64, error) {
	if string(b) == "unlimited" {
		return infinity, nil
	}
	return strconv.ParseUint(string(b), 10, 64)
}

// limitsOf asks for the limits of a process. The system call is the quick way,
// for processes of the same user only.
func limitsOf(pid int) (limits, error) {
	var now unix.Rlimit
	err := unix.Prlimit(pid, unix.RLIMIT_RTTIME, nil, &now)
	switch {
	case err == nil:
		return limits{now.Cur, now.Max}, nil
	case errors.Is(err, unix.ESRCH):
		return limits{}, os.ErrNotExist
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		return limits{}, err
	}
	return parseLimits(b)
}
