package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// peakOf returns the most memory that a process had at once, in bytes (VmHWM of
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
