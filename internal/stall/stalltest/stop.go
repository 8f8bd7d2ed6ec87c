// Package stalltest stops processes in tests.
package stalltest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// patience is how long a process has to stop.
const patience = time.Minute

// Stop stops a process (SIGSTOP), and returns when all of its threads are stopped:
// each goes on until it gets the signal, which on a busy machine is long enough to
// answer a request.
func Stop(t testing.TB, pid int) {
	t.Helper()
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); !stopped(t, pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

func stopped(t testing.TB, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("process %d: %v, %v", pid, stats, err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			return false // the thread has ended
		}
		st, err := procfs.ParseStat(b)
		if err != nil {
			t.Fatal(err)
		}
		if st.State != 'T' {
			return false
		}
	}
	return true
}
