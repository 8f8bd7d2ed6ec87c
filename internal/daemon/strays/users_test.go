package strays

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/mark"
	"lodge/internal/procfs"
)

// Two ordinary users beside root.
const (
	alice   = 65534
	mallory = 65533
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to be other users")
	}
}

// asUser calls do on a thread that is the user uid's. The thread ends with it.
func asUser(t *testing.T, uid int, do func() error) error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread is of no further use
		// The raw call changes this thread alone (nptl(7)).
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			result <- errno
			return
		}
		result <- do()
	}()
	return <-result
}

// startAs starts a script of the user uid with the mark that this process has,
// and returns when it has written a line.
func startAs(t *testing.T, uid uint32, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", script)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) // it may have ended
		_ = cmd.Wait()
	})
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func alive(pid int) bool {
	st, err := procfs.ReadStat(pid)
	return err == nil && st.Alive()
}

// A mark is no secret: another user's process that has copied it is no keeper,
// and what it does keeps nobody from ending what a keeper left.
func TestACopiedMark(t *testing.T) {
	needRoot(t)
	h := mark.Of(t.Name(), "copied")
	if err := mark.Set(h); err != nil {
		t.Skip("marks cannot be had:", err)
	}
	copied := startAs(t, mallory, "echo; exec sleep 1000")
	m, err := mark.Read(copied.Process.Pid)
	if err != nil || !m.Is(h, "") {
		t.Fatalf("it has mark %v, %v", m, err)
	}
	own := startAs(t, alice, "echo; exec sleep 1000")
	err = asUser(t, alice, func() error {
		if isKeeper(copied.Process.Pid, m) {
			t.Error("it is taken for a keeper")
		}
		return Kill(context.Background(), h, "copied")
	})
	if err != nil {
		t.Error(err)
	}
	if alive(own.Process.Pid) {
		t.Error("what the keeper left is there")
	}
	if !alive(copied.Process.Pid) {
		t.Error("an ordinary user has ended another's process")
	}
	// Root's services may change their user.
	if err := Kill(context.Background(), h, "copied"); err != nil {
		t.Error(err)
	}
	if alive(copied.Process.Pid) {
		t.Error("root has not ended what has the mark")
	}
}

// Processes that come and go without end, as on any busy machine, are not what
// a keeper left.
func TestProcessesThatComeAndGo(t *testing.T) {
	needRoot(t)
	for range 2 {
		startAs(t, mallory, "echo; while :; do /bin/true; done")
	}
	h := mark.Of(t.Name(), "busy")
	// Marked ones as well: after this the loops fork copies faster than looks end.
	if err := mark.Set(h); err != nil {
		t.Skip("marks cannot be had:", err)
	}
	own := startAs(t, alice, "echo; exec sleep 1000")
	startAs(t, mallory, "echo; while :; do /bin/true; done")
	err := asUser(t, alice, func() error { return Kill(context.Background(), h, "busy") })
	if err != nil {
		t.Error(err)
	}
	if alive(own.Process.Pid) {
		t.Error("what the keeper left is there")
	}
	if err := Kill(context.Background(), h, "busy"); err != nil {
		t.Errorf("root: %v", err)
	}
}
