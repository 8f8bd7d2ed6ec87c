package pidfd

import (
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

const patience = 20 * time.Second

// sleeper starts a process, which says when it is what it shall be: one that
// ignores SIGTERM, or does not.
func sleeper(t *testing.T, deaf bool) (pid int, start uint64) {
	t.Helper()
	script := "echo; exec sleep 1000"
	if deaf {
		script = "trap '' TERM; " + script
	}
	cmd := exec.Command("sh", "-c", script)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if start, err = procfs.StartTime(cmd.Process.Pid); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, start
}

func TestEnd(t *testing.T) {
	pid, start := sleeper(t, false)
	// Another process that has the id: it gets no signal.
	if err := End(t.Context(), pid, start+1, unix.SIGKILL, patience); !errors.Is(err, ErrGone) {
		t.Errorf("another start: %v", err)
	}
	if !procfs.Alive(pid, start) {
		t.Fatal("the wrong process was ended")
	}
	if err := End(t.Context(), pid, start, unix.SIGTERM, patience); err != nil {
		t.Errorf("TERM: %v", err)
	}
	if err := End(t.Context(), pid, start, unix.SIGTERM, patience); !errors.Is(err, ErrGone) { // a zombie
		t.Errorf("one that is gone: %v", err)
	}
	if err := End(t.Context(), 1<<22+1, 1, unix.SIGTERM, 0); !errors.Is(err, ErrGone) {
		t.Errorf("no such process: %v", err)
	}
	if err := End(t.Context(), 1, 1, unix.SIGTERM, 0); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("the first process: %v", err)
	}
}

func TestEndOfTheDeaf(t *testing.T) {
	pid, start := sleeper(t, true)
	if err := End(t.Context(), pid, start, unix.SIGTERM, time.Millisecond); !errors.Is(err, ErrStays) {
		t.Errorf("deaf: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := End(ctx, pid, start, unix.SIGTERM, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
	if err := End(t.Context(), pid, start, unix.SIGKILL, patience); err != nil {
		t.Errorf("KILL: %v", err)
	}
}

// One that is stopped takes the signal all the same.
func TestEndOfTheStopped(t *testing.T) {
	pid, start := sleeper(t, false)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := End(t.Context(), pid, start, unix.SIGTERM, patience); err != nil {
		t.Error(err)
	}
}
