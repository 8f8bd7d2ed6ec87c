package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// peakOf gives the most memory that a process had at once, in bytes (VmHWM of
// proc_pid_status(5)), once it is the program and not what started it.
func peakOf(pid int, program string) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parsePeak(b, filepath.Base(program))
}

func parsePeak(status []byte, program string) (float64, error) {
	if len(program) > 15 {
		program = program[:15] // as much as the kernel keeps of a name
	}
	for l := range bytes.Lines(status) {
		f := bytes.Fields(l)
		switch {
		case len(f) >= 2 && string(f[0]) == "Name:" && string(f[1]) != program:
			return 0, errors.New("not started yet")
		case len(f) == 3 && string(f[0]) == "VmHWM:":
			n, err := strconv.ParseUint(string(f[1]), 10, 53)
			if err != nil {
				return 0, fmt.Errorf("read status: %w", err)
			}
			return float64(n) * 1024, nil
		}
	}
	return 0, errors.New("read status: it has no VmHWM")
}

// ticks is USER_HZ, the clock ticks of /proc a second.
const ticks = 100

// cpuOf gives the processor time of a process so far, in seconds (fields 14
// and 15 of proc_pid_stat(5)).
func cpuOf(pid int) (float64, error) {
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
