package procfs

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// Catches reports whether a process has a handler for a signal, which would end
// it otherwise (proc(5), SigCgt of /proc/PID/status).
func Catches(pid int, sig syscall.Signal) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && parseCatches(b, sig)
}

func parseCatches(status []byte, sig syscall.Signal) bool {
	for line := range bytes.Lines(status) {
		if v, ok := bytes.CutPrefix(line, []byte("SigCgt:")); ok {
			mask, err := strconv.ParseUint(string(bytes.TrimSpace(v)), 16, 64)
			return err == nil && sig > 0 && mask&(1<<(uint(sig)-1)) != 0
		}
	}
	return false
}

// Args returns the arguments of a process, or nil where they cannot be read. A
// program may have overwritten them.
func Args(pid int) []string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil || len(b) == 0 {
		return nil
	}
	var out []string
	for arg := range bytes.SplitSeq(bytes.TrimSuffix(b, []byte{0}), []byte{0}) {
		out = append(out, string(arg))
	}
	return out
}

// Pids lists the processes that /proc shows.
func Pids() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// BootID names this boot of the machine, or is "" where it is not known: process
// ids and start times of another boot mean nothing.
func BootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(b))
}
