package strays

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/mark"
	"lodge/internal/procfs"
)

// startMarked starts a command as a process of the home, reaps it, and returns
// its id and a channel that is closed when it has ended. It does so only when
// the command has written a line.
func startMarked(t *testing.T, h mark.Home, env []string, script string) (int, <-chan struct{}) {
	t.Helper()
	if err := mark.Set(h); err != nil {
		t.Skip("marks cannot be had:", err)
	}
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Env, cmd.SysProcAttr = env, &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mark.NewMarker(h).Start("web", func() (int, error) { return 0, cmd.Start() }); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd.Process.Pid, ended
}

// startUnmarked starts a process that has set the limit itself.
func startUnmarked(t *testing.T, id string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "prlimit --rttime=1000000:1000000 --pid $$; echo; exec sleep 1000")
	cmd.Env = []string{"LODGE_HOME_ID=" + id, "PATH=" + os.Getenv("PATH")}
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
	return cmd
}

// What a killed keeper left is ended, whatever it did to its environment, title
// and session, and nothing else is.
func TestKill(t *testing.T) {
	ours, other := mark.Of(t.Name(), "ours"), mark.Of(t.Name(), fmt.Sprint("other", os.Getpid()))
	id := fmt.Sprint("strays-", os.Getpid())
	env := []string{"LODGE_HOME_ID=" + id}
	_, bare := startMarked(t, ours, nil, "echo; exec sleep 1000")
	_, titled := startMarked(t, ours, env, `exec perl -e '$0 = "puma: " . "x" x 1500; $| = 1; print "\n"; sleep 1000'`)
	// Each process forks the next and ends, 200 times, and the last one stays.
	_, _ = startMarked(t, ours, nil, `n=0; f() { n=$((n+1)); [ $n = 200 ] && exec sleep 1000; f & }; f; echo; exec sleep 1000`)
	unmarked := startUnmarked(t, id)
	anothers := startUnmarked(t, id+"0")
	otherPID, _ := startMarked(t, other, env, "echo; exec sleep 1000")
	if err := Kill(context.Background(), ours, id); err != nil {
		t.Fatal(err)
	}
	<-bare
	<-titled
	if err := unmarked.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("one that has only the environment: %v", err)
	}
	marked, err := mark.Find()
	if err != nil {
		t.Fatal(err)
	}
	for pid, m := range marked {
		if st, err := procfs.ReadStat(pid); m.Home == ours && err == nil && st.Alive() {
			t.Errorf("process %d is left", pid)
		}
	}
	if st, err := procfs.ReadStat(anothers.Process.Pid); err != nil || !st.Alive() {
		t.Error("a process of another home, by its environment, was ended")
	}
	if st, err := procfs.ReadStat(otherPID); err != nil || !st.Alive() {
		t.Error("another home's process was ended")
	}
}

func TestIsKeeper(t *testing.T) {
	h := mark.Of(t.Name(), "x")
	pid, _ := startMarked(t, h, nil, "echo; exec sleep 1000")
	m, err := mark.Read(pid)
	if err != nil || isKeeper(pid, m) {
		t.Errorf("a service is a keeper: %v", err)
	}
	if m, err = mark.Read(os.Getpid()); err != nil || !isKeeper(os.Getpid(), m) {
		t.Errorf("the keeper is none: %v", err)
	}
}
