package keeperapi

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// setuidCat makes a set-user-id program of root's that everybody may run, and a
// directory in which `cat keeper` does not end.
func setuidCat(t *testing.T) (program, dir string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kf") // others cannot enter that of the test
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(cat)
	if err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "cat")
	err = errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, b, 0o600), os.Chmod(program, 0o755|os.ModeSetuid),
		unix.Mkfifo(filepath.Join(dir, "keeper"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return program, dir
}

// awaitArgs waits until a process has become the program that it was started as:
// while it does, it has neither arguments nor an environment.
func awaitArgs(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); len(procfs.Args(pid)) < 2 || procfs.Getenv(pid, envConfig) == ""; <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("process %d has arguments %q", pid, procfs.Args(pid))
		}
	}
}

// A keeper is found by its arguments and its environment. Other users may choose
// these for a set-user-id program, and name files in them that root would remove.
func TestASetUserIDProgramIsNoKeeper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be another user")
	}
	program, dir := setuidCat(t)
	cfg := Config{ID: "fake", Name: "fake", Dir: "/", Socket: filepath.Join(dir, "fake.sock"), Record: "/etc/hostname"}
	variable, err := Environ(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, uid := range []uint32{65533, 0} {
		cmd := exec.Command(program, "keeper")
		cmd.Dir, cmd.Env = dir, []string{variable}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitArgs(t, cmd.Process.Pid)
		if _, ok := FromProcess(cmd.Process.Pid); ok {
			t.Errorf("one of user %d is a keeper", uid)
		}
		for _, rec := range Running(dir) {
			t.Errorf("found as a keeper: %+v", rec)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	// The same program without that bit is as good as any of this user's.
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "keeper")
	cmd.Dir, cmd.Env = dir, []string{variable}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}()
	awaitArgs(t, cmd.Process.Pid)
	if _, ok := FromProcess(cmd.Process.Pid); !ok {
		t.Error("the process of this user is not found")
	}
	if len(Running(dir)) != 1 {
		t.Errorf("found: %+v", Running(dir))
	}
	// Whatever it says, its socket is where a keeper's is.
	if len(Running(filepath.Dir(dir))) != 0 {
		t.Errorf("found in another directory: %+v", Running(filepath.Dir(dir)))
	}
}
