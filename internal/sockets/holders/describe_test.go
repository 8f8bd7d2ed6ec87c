package holders

import (
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A process that ended is not described, whoever has its id now: its directory
// stays its own.
func TestDescribeAfterTheEnd(t *testing.T) {
	cmd := exec.Command("cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Wait() // how it ends is not the question
	})
	defer end()
	dir, err := unix.Open("/proc/"+strconv.Itoa(cmd.Process.Pid), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(dir) }() // only read from
	w := &searcher{search: &search{}}
	// Start returns while the program is executed: its name is there before its arguments.
	p := w.describe(dir, cmd.Process.Pid, false)
	for deadline := time.Now().Add(time.Minute); p != nil && p.Command == "" && time.Now().Before(deadline); {
		p = w.describe(dir, cmd.Process.Pid, false)
	}
	if p == nil || p.PID != cmd.Process.Pid || p.Command != "cat" {
		t.Fatalf("alive: %+v", p)
	}
	end()
	if p := w.describe(dir, cmd.Process.Pid, false); p != nil {
		t.Errorf("ended: %+v", p)
	}
}
