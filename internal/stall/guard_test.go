package stall

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const patience = 60 * time.Second

// child starts a process that does nothing.
func child(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

func itoa(n int) string { return strconv.Itoa(n) }

func of(pid int) Peer {
	return Peer{Role: "the keeper of shop", Or: "kill -9 PID", PID: func() int { return pid }}
}

// awaitHalt waits for the context's end by a process that does not run.
func awaitHalt(t *testing.T, ctx context.Context) *Error {
	t.Helper()
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		t.Fatal("it is waited for")
	}
	var e *Error
	if !errors.As(Cause(ctx, ctx.Err()), &e) {
		t.Fatalf("got %v", context.Cause(ctx))
	}
	return e
}

func TestGuardEndsForAStoppedProcess(t *testing.T) {
	pid := child(t)
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	ctx, done := Guard(context.Background(), of(pid))
	defer done()
	e := awaitHalt(t, ctx)
	if e.PID != pid || e.State != Stopped || !strings.Contains(e.Error(), "ask the keeper of shop: process "+itoa(pid)) ||
		e.Hint() != "kill -CONT "+itoa(pid)+"; or kill -9 "+itoa(pid) {
		t.Errorf("%v (hint: %s)", e, e.Hint())
	}
}

// One that is stopped while it is waited for is noticed too.
func TestGuardEndsWhenTheProcessIsStopped(t *testing.T) {
	pid := child(t)
	asked := make(chan struct{}, 1000)
	p := of(pid)
	p.PID = func() int {
		select {
		case asked <- struct{}{}:
		default:
		}
		return pid
	}
	ctx, done := Guard(context.Background(), p)
	defer done()
	<-asked // it was seen to run
	if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	awaitHalt(t, ctx)
}

func TestGuardWaitsForWhatRuns(t *testing.T) {
	looks := make(chan struct{}, 1000)
	p := of(child(t))
	pid := p.PID()
	p.PID = func() int {
		looks <- struct{}{}
		return pid
	}
	parent, cancel := context.WithCancel(context.Background())
	ctx, done := Guard(parent, p)
	for range 3 {
		<-looks
	}
	if ctx.Err() != nil {
		t.Errorf("ended: %v", context.Cause(ctx))
	}
	cancel()
	<-ctx.Done()
	if err := Cause(ctx, os.ErrExist); !errors.Is(err, os.ErrExist) {
		t.Errorf("the parent's end is taken for a halt: %v", err)
	}
	done()
	if _, ok := (Peer{PID: func() int { return 0 }}).Look(); ok {
		t.Error("a process that is not known is halted")
	}
}

func TestTellTellsOnceEachTime(t *testing.T) {
	pid := child(t)
	told, looked := make(chan *Error, 100), make(chan struct{}, 100000)
	p := of(pid)
	p.PID = func() int {
		looked <- struct{}{}
		return pid
	}
	stop := Tell(p, func(e *Error) { told <- e })
	defer stop()
	looks := func(n int) {
		t.Helper()
		for len(looked) > 0 {
			<-looked
		}
		for range n {
			select {
			case <-looked:
			case <-time.After(patience):
				t.Fatal("it is not looked at")
			}
		}
	}
	for range 2 {
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		select {
		case e := <-told:
			if e.State != Stopped {
				t.Errorf("got %+v", e)
			}
		case <-time.After(patience):
			t.Fatal("not told")
		}
		looks(2)
		if len(told) > 0 {
			t.Error("told again of the same stop")
		}
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		looks(2) // one of them is after it, whole
	}
}

func TestLookAtATracedProcess(t *testing.T) {
	pid := child(t)
	runtime.LockOSThread() // ptrace(2) is a thread's
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(pid); err != nil {
		t.Skipf("ptrace: %v", err)
	}
	if err := unix.PtraceInterrupt(pid); err != nil {
		t.Fatal(err)
	}
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	h, ok := Look(pid)
	if !ok || h.State != Traced || h.Tracer != os.Getpid() {
		t.Errorf("%v, %+v", ok, h)
	}
	if err := unix.PtraceDetach(pid); err != nil {
		t.Fatal(err)
	}
	awaitRun(t, pid)
}

// awaitRun waits until the process is seen to run again.
func awaitRun(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		h, ok := Look(pid)
		if !ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it is still taken for halted: %+v", h)
		}
	}
}

func TestLookAtAFrozenProcess(t *testing.T) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	mount := mountPoint(b, "cgroup2", "")
	if mount == "" || os.Geteuid() != 0 {
		t.Skip("needs root, and version 2 of cgroups")
	}
	dir, err := os.MkdirTemp(mount, "lodge-stall-")
	if err != nil {
		t.Skipf("make cgroup: %v", err)
	}
	pid := child(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGKILL)
		_ = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0o600)
		for range 600 {
			if err := unix.Rmdir(dir); !errors.Is(err, unix.EBUSY) {
				return
			}
			_, _ = unix.Poll(nil, 100)
		}
		t.Errorf("%s is left", dir)
	})
	write("cgroup.procs", itoa(pid))
	write("cgroup.freeze", "1")
	ctx, done := Guard(context.Background(), of(pid))
	defer done()
	e := awaitHalt(t, ctx)
	if file := filepath.Join(dir, "cgroup.freeze"); e.State != Frozen || e.Freezer != file || !strings.Contains(e.Hint(), file) {
		t.Errorf("%+v", e)
	}
	write("cgroup.freeze", "0")
	awaitRun(t, pid)
}
