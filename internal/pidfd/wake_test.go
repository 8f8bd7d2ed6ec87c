package pidfd

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

func TestWake(t *testing.T) {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, unix.SIGUSR1)
	defer signal.Stop(ch)
	me, err := procfs.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := Wake(os.Getpid(), me); err != nil {
		t.Fatal(err)
	}
	<-ch
	if err := Wake(os.Getpid(), me+1); !errors.Is(err, ErrGone) {
		t.Errorf("another process: %v", err)
	}

	// To a program without a handler the signal would be the end.
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	start, err := procfs.StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := Wake(cmd.Process.Pid, start); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("sleep: %v", err)
	}
	if AwaitEnd(cmd.Process.Pid, start, time.Millisecond) {
		t.Error("it has ended")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if !AwaitEnd(cmd.Process.Pid, start, time.Minute) {
		t.Error("it survives SIGKILL")
	}
	if err := Wake(cmd.Process.Pid, start); !errors.Is(err, ErrGone) {
		t.Errorf("a zombie: %v", err)
	}
	_ = cmd.Wait()
	if err := Wake(cmd.Process.Pid, start); !errors.Is(err, ErrGone) {
		t.Errorf("no process: %v", err)
	}
}
