package scratch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Children lists the children of all of a process's threads
// (/proc/PID/task/TID/children, proc(5)).
func Children(pid int) []int {
	if pid == 0 {
		return nil
	}
	dir := fmt.Sprintf("/proc/%d/task", pid)
	ents, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []int
	for _, e := range ents {
		b, err := os.ReadFile(dir + "/" + e.Name() + "/children")
		if err != nil {
			continue // ended
		}
		for f := range strings.FieldsSeq(string(b)) {
			if n, err := strconv.Atoi(f); err == nil {
				out = append(out, n)
			}
		}
	}
	return out
}

// ticks is USER_HZ, the clock ticks of /proc a second.
const ticks = 100

// CPU returns the processor time of a process so far, in seconds (fields 14 and
// 15 of proc_pid_stat(5)).
func CPU(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseCPU(b)
}

func parseCPU(stat []byte) (float64, error) {
	i := bytes.LastIndexByte(stat, ')')
	f := bytes.Fields(stat[i+1:])
	if i < 0 || len(f) < 13 {
		return 0, errors.New("read stat: it is too short")
	}
	user, err := strconv.ParseUint(string(f[11]), 10, 53)
	if err != nil {
		return 0, fmt.Errorf("read stat: %w", err)
	}
	system, err := strconv.ParseUint(string(f[12]), 10, 53)
	if err != nil {
		return 0, fmt.Errorf("read stat: %w", err)
	}
	return float64(user+system) / ticks, nil
}

// Eventually calls f again and again, every so often, until it has no error,
// and gives the last one when the time is over.
func Eventually(ctx context.Context, every, limit time.Duration, f func() error) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for deadline := time.Now().Add(limit); ; {
		err := f()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
