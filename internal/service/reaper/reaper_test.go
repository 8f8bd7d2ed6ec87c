package reaper

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
	"lodge/internal/service"
)

func forkSh(script string) (int, error) {
	return syscall.ForkExec("/bin/sh", []string{"sh", "-c", script}, &syscall.ProcAttr{Files: []uintptr{^uintptr(0), ^uintptr(0), ^uintptr(0)}})
}

func newReaper(t *testing.T) *Reaper {
	t.Helper()
	r, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestReaperTellsHowAProcessEnded(t *testing.T) {
	r := newReaper(t)
	for _, c := range []struct {
		script string
		code   int
		signal unix.Signal
	}{{"exit 0", 0, 0}, {"exit 42", 42, 0}, {"kill -TERM $$", 143, unix.SIGTERM}, {"kill -KILL $$", 137, unix.SIGKILL}} {
		pid, ch, err := r.Start(func() (int, error) { return forkSh(c.script) })
		if err != nil {
			t.Fatal(err)
		}
		if x := <-ch; x != (service.ExitStatus{PID: pid, Code: c.code, Signal: c.signal}) {
			t.Errorf("%s: got %+v", c.script, x)
		}
	}
}

// A child may end, and be reaped, before its start has returned.
func TestReaperKeepsAnEarlyEnd(t *testing.T) {
	r := newReaper(t)
	exits, done := r.Exits()
	defer done()
	pid, ch, err := r.Start(func() (int, error) {
		pid, err := forkSh("exit 3")
		<-exits
		return pid, err
	})
	if err != nil {
		t.Fatal(err)
	}
	if x := <-ch; x.PID != pid || x.Code != 3 {
		t.Errorf("got %+v", x)
	}
	if len(r.early) != 0 || len(r.waiting) != 0 {
		t.Errorf("left: %v, %v", r.early, r.waiting)
	}
}

func TestReaperOfManyAtOnce(t *testing.T) {
	r := newReaper(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for range 15 {
				_, ch, err := r.Start(func() (int, error) { return forkSh("exit " + strconv.Itoa(i)) })
				if err != nil {
					t.Error(err)
					return
				}
				if x := <-ch; x.Code != i {
					t.Errorf("got %+v, want %d", x, i)
				}
			}
		}()
	}
	wg.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.early) != 0 || len(r.waiting) != 0 || r.starting != 0 {
		t.Errorf("left: %v, %v, %d", r.early, r.waiting, r.starting)
	}
}

func TestReaperTakesOrphans(t *testing.T) {
	r := newReaper(t)
	exits, done := r.Exits()
	defer done()
	for range 10 {
		_, ch, err := r.Start(func() (int, error) { return forkSh("(true; sleep 0.02; true) & exit 0") })
		if err != nil {
			t.Fatal(err)
		}
		<-ch
	}
	self := unix.Getpid()
	if !within(func() bool {
		select {
		case <-exits:
		default:
		}
		var ws unix.WaitStatus
		// ECHILD: not even a zombie is left.
		_, err := unix.Wait4(-1, &ws, unix.WNOHANG|unix.WNOWAIT, nil)
		return errors.Is(err, unix.ECHILD) || errors.Is(err, unix.EINVAL) && noChildren(self)
	}) {
		t.Error("children are left")
	}
}

func noChildren(pid int) bool {
	tree, err := procfs.Children()
	return err == nil && len(tree[pid]) == 0
}

func TestReaperAfterAFailedStart(t *testing.T) {
	r := newReaper(t)
	want := errors.New("no")
	if _, _, err := r.Start(func() (int, error) { return 0, want }); !errors.Is(err, want) {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.Start(func() (int, error) {
		return syscall.ForkExec("/nowhere/prog", []string{"prog"}, &syscall.ProcAttr{})
	}); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("got %v", err)
	}
	if r.starting != 0 {
		t.Errorf("%d starts", r.starting)
	}
}

// within reports whether ok is true before a wait is over that no test needs.
func within(ok func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(time.Minute)
	defer end.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return ok()
		}
	}
}
