package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/procfs"
	"lodge/internal/service"
	"lodge/internal/stall/stalltest"
)

// halt stops a process. At the end of the test it goes on, if it is there still.
func halt(t *testing.T, pid int) {
	t.Helper()
	start, err := procfs.StartTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	stalltest.Stop(t, pid)
	t.Cleanup(func() {
		if procfs.Alive(pid, start) {
			_ = unix.Kill(pid, unix.SIGCONT)
		}
	})
}

func TestAStoppedKeeperIsTold(t *testing.T) {
	r := newRig(t)
	r.start()
	p, other := r.project("shop", loopback.None), r.project("blog", loopback.None)
	r.serve(p)
	pidOfOther := r.serve(other)
	halt(t, p.KeeperPID)
	ps, err := r.api.Projects(r.ctx, false)
	if err != nil || len(ps.Projects) != 2 {
		t.Fatalf("%+v, %v", ps, err)
	}
	pid := strconv.Itoa(p.KeeperPID)
	if q := ps.Projects[0]; q.Name != "blog" || q.Unresponsive != "" || len(q.Services) != 1 || q.Services[0].PID != pidOfOther {
		t.Errorf("the other project: %+v", q)
	}
	if q := ps.Projects[1]; q.Name != "shop" || q.State != "up" || len(q.Services) != 1 || !strings.Contains(q.Unresponsive, "process "+pid) ||
		!strings.Contains(q.Unresponsive, "(state T)") || !strings.Contains(q.UnresponsiveHint, "kill -CONT "+pid) {
		t.Errorf("its own: %+v", q)
	}
	_, err = r.api.Open(r.ctx, localapi.OpenRequest{Path: p.Path, Name: "shop"})
	var e *localapi.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "the keeper of shop: process "+pid) || !strings.Contains(e.Hint, "kill -CONT "+pid) {
		t.Errorf("open: %v", err)
	}
	if err := unix.Kill(p.KeeperPID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool {
		ps, err := r.api.Projects(r.ctx, false)
		return err == nil && len(ps.Projects) == 2 && ps.Projects[1].Unresponsive == ""
	}) {
		t.Error("it goes on, and is said to be stopped")
	}
}

func TestDownEndsAStoppedProject(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	halt(t, p.KeeperPID)
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) || !gone(p.KeeperPID) {
		t.Error("something runs on")
	}
	if ps, err := r.api.Projects(r.ctx, false); err != nil || len(ps.Projects) != 0 {
		t.Errorf("%+v, %v", ps, err)
	}
}

// A keeper that cannot be continued from outside, as one that a debugger holds,
// is killed, and what it leaves is cleared. Here it is killed since nothing is to
// have time.
func TestKillEndsAStoppedProject(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	halt(t, p.KeeperPID)
	if err := r.api.Kill(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) || !gone(p.KeeperPID) {
		t.Error("something runs on")
	}
}

func TestKillLeavesNoTime(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	s := localapi.NewSession(p)
	sp := deaf(p.Path)
	if err := errors.Join(s.Define(r.ctx, sp, []string{"PATH=" + os.Getenv("PATH")}), s.Up(r.ctx, nil)); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { _, err := os.Stat(filepath.Join(p.Path, "up")); return err == nil }) {
		t.Fatal("it does not start")
	}
	// Its grace time is longer than this test may take.
	if err := r.api.Kill(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Status(r.ctx); !errors.Is(err, keeperapi.ErrGone) {
		t.Errorf("its keeper: %v", err)
	}
}

// deaf is a service that nothing but SIGKILL ends soon.
func deaf(dir string) []service.Spec {
	script := "trap '' TERM; touch up; while :; do sleep 0.05; done"
	return []service.Spec{{Name: "web", Argv: []string{"sh", "-c", script}, Command: script, Dir: dir, StopGrace: time.Hour, Ready: service.Ready{None: true}}}
}

// With a stopped helper the other engines go on, and a home that it should have
// removed is removed later.
func TestAStoppedHelper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for the ebpf engine")
	}
	r := newRig(t)
	d := r.start()
	p := r.project("shop", loopback.EBPF)
	pid := r.serve(p)
	helper := d.helper.Current().Pid()
	halt(t, helper)
	other := r.project("blog", loopback.Seccomp)
	r.serve(other)
	third := r.project("wiki", "")
	if third.Engine == loopback.EBPF || !strings.Contains(third.EngineReason, strconv.Itoa(helper)) || !strings.Contains(third.Notice, "kill -CONT "+strconv.Itoa(helper)) {
		t.Errorf("the engine that is free to choose: %+v", third)
	}
	if again := r.project("wiki", ""); again.Notice != "" {
		t.Errorf("it says so each time: %q", again.Notice)
	}
	_, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: r.dir, Name: "top", Engine: loopback.EBPF})
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(helper)) {
		t.Errorf("ebpf: %v", err)
	}
	doc, err := r.api.Doctor(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range doc.Capabilities {
		if c.Name == "helper" && (c.Status != "no" || !strings.Contains(c.Reason, "(state T)") || !strings.Contains(c.Hint, "kill -CONT")) {
			t.Errorf("doctor: %+v", c)
		}
	}
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) {
		t.Error("it runs on")
	}
	if err := unix.Kill(helper, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { return len(homesAt(p.Home)) == 0 }) {
		t.Error("its home is left")
	}
	if p = r.project("shop", loopback.EBPF); p.Engine != loopback.EBPF {
		t.Errorf("afterwards: %+v", p)
	}
}
