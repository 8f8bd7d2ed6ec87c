package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// ticks is USER_HZ, the clock ticks of /proc a second.
const ticks = 100

// tree gives a process and all below it.
func tree(pid int) []int {
	out := []int{pid}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return out
	}
	for _, t := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue // ended
		}
		for _, f := range bytes.Fields(b) {
			if child, err := strconv.Atoi(string(f)); err == nil {
				out = append(out, tree(child)...)
			}
		}
	}
	return out
}

// cpuOf gives the processor time of processes so far, in seconds (fields 14
// and 15 of proc_pid_stat(5)). One that has ended counts nothing.
func cpuOf(pids []int) float64 {
	sum := 0.0
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		if s, err := parseCPU(b); err == nil {
			sum += s
		}
	}
	return sum
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

// memory is what processes have in memory, in bytes.
type memory struct {
	PSS  float64 `json:"pss_bytes"`  // now; a page that several have counts in part
	Peak float64 `json:"peak_bytes"` // the sum of each one's most so far (VmHWM), shared pages counted by all
}

func memoryOf(pids []int) memory {
	var m memory
	for _, pid := range pids {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
			m.PSS += parseKB(b, "Pss:")
		}
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err == nil {
			m.Peak += parseKB(b, "VmHWM:")
		}
	}
	return m
}

// parseKB reads a line such as "Pss:    1234 kB", in bytes; 0 where it is not
// there.
func parseKB(b []byte, key string) float64 {
	for l := range bytes.Lines(b) {
		f := bytes.Fields(l)
		if len(f) == 3 && string(f[0]) == key && string(f[2]) == "kB" {
			n, err := strconv.ParseUint(string(f[1]), 10, 53)
			if err != nil {
				return 0
			}
			return float64(n) * 1024
		}
	}
	return 0
}
