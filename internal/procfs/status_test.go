package procfs

import (
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"time"
)

func TestCatches(t *testing.T) {
	// /proc/PID/status of Linux 6.18, shortened: SIGUSR1 is 10, so bit 9.
	for text, want := range map[string]bool{
		"Name:\tx\nSigIgn:\t0000000000000200\nSigCgt:\t0000000000000200\n": true,
		"Name:\tx\nSigIgn:\t0000000000000200\nSigCgt:\t0000000000000100\n": false,
		"SigCgt:\tffffffffffffffff\n":                                      true,
		"SigCgt:\tzz\n":                                                    false,
		"":                                                                 false,
	} {
		if got := parseCatches([]byte(text), syscall.SIGUSR1); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, syscall.SIGUSR1)
	defer signal.Stop(ch)
	if !Catches(os.Getpid(), syscall.SIGUSR1) || Catches(os.Getpid(), syscall.SIGKILL) || Catches(1<<30, syscall.SIGUSR1) {
		t.Error("of this process")
	}
}

func TestArgsAndPids(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	cmd.Args = []string{"sleep", "1000"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	// execve(2) closes the descriptors that Start waits for before the new
	// program's arguments can be read.
	got := Args(cmd.Process.Pid)
	for deadline := time.Now().Add(30 * time.Second); len(got) == 0 && time.Now().Before(deadline); {
		got = Args(cmd.Process.Pid)
	}
	if !slices.Equal(got, cmd.Args) {
		t.Errorf("got %q", got)
	}
	if got := Args(1 << 30); got != nil {
		t.Errorf("of no process: %q", got)
	}
	pids, err := Pids()
	if err != nil || !slices.Contains(pids, cmd.Process.Pid) || !slices.Contains(pids, os.Getpid()) {
		t.Errorf("%v, %v", pids, err)
	}
	if id := BootID(); id == "" || id != BootID() {
		t.Errorf("boot %q", id)
	}
}

func FuzzParseCatches(f *testing.F) {
	f.Add([]byte("SigCgt:\t0000000000000200\n"))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = parseCatches(b, syscall.SIGUSR1) })
}
