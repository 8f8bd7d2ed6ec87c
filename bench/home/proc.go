package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// memory is what a process has in memory, in bytes (proc_pid_smaps(5)). PSS
// divides a page that several processes have by their number.
type memory struct{ pss, rss float64 }

func (m *memory) add(o memory) { m.pss += o.pss; m.rss += o.rss }

func memoryOf(pid int) (memory, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return memory{}, err
	}
	return parseRollup(b)
}

// parseRollup reads lines such as "Pss:    1234 kB".
func parseRollup(b []byte) (memory, error) {
	var m memory
	found := 0
	for l := range bytes.Lines(b) {
		f := strings.Fields(string(l))
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		var to *float64
		switch f[0] {
		case "Pss:":
			to = &m.pss
		case "Rss:":
			to = &m.rss
		default:
			continue
		}
		n, err := strconv.ParseUint(f[1], 10, 53)
		if err != nil {
			return m, fmt.Errorf("read smaps_rollup: %w", err)
		}
		*to = float64(n) * 1024
		found++
	}
	if found != 2 {
		return m, fmt.Errorf("read smaps_rollup: it has no Pss and Rss")
	}
	return m, nil
}

// descriptors counts a process's descriptors, and those among them that are
// eBPF programs, maps and links.
func descriptors(pid int) (all, bpf int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	ents, err := os.ReadDir(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, e := range ents {
		to, err := os.Readlink(dir + "/" + e.Name())
		if err != nil {
			continue // closed meanwhile
		}
		all++
		// anon_inode:bpf-map, anon_inode:bpf-prog, anon_inode:bpf_link
		if strings.HasPrefix(to, "anon_inode:bpf") {
			bpf++
		}
	}
	return all, bpf, nil
}

func threads(pid int) (int, error) {
	ents, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(ents), err
}

func cmdline(pid int) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
}
