package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"lodge/bench/internal/scratch"
)

// tree returns a process and all below it.
func tree(pid int) []int {
	out := []int{pid}
	for _, child := range scratch.Children(pid) {
		out = append(out, tree(child)...)
	}
	return out
}

// cpuOf returns the processor time of processes so far, in seconds. One that has
// ended counts nothing.
func cpuOf(pids []int) float64 {
	sum := 0.0
	for _, pid := range pids {
		if s, err := scratch.CPU(pid); err == nil {
			sum += s
		}
	}
	return sum
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
