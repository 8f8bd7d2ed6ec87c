package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/stall/stalltest"
)

// another runs a daemon that is not ended by the rig; over has what Run returns.
func (r *rig) another() (d *Daemon, over <-chan error) {
	r.t.Helper()
	d, err := New(r.ctx, r.cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	opened, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- d.Run(r.ctx, func() { close(opened) }) }()
	select {
	case <-opened:
	case err := <-done:
		r.t.Fatal(err)
	}
	return d, done
}

// A daemon that finds another one in its place ends, and leaves it alone.
func TestASuccessorIsLeftAlone(t *testing.T) {
	r := newRig(t)
	first, over := r.another()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	// It may make its files again before the second one comes: then it stays.
	var second *Daemon
	if !within(func() bool {
		err := errors.Join(os.RemoveAll(r.cfg.Dirs.Runtime), os.RemoveAll(r.cfg.Dirs.Spare()))
		if err == nil {
			second, err = New(r.ctx, r.cfg)
		}
		return err == nil
	}) {
		t.Fatal("the second one never starts")
	}
	ctx, cancel := context.WithCancel(r.ctx)
	opened, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- second.Run(ctx, func() { close(opened) }) }()
	r.stop = func() error { cancel(); r.stop = nil; return <-done }
	<-opened
	if err := <-over; err != nil {
		t.Errorf("the first one: %v", err)
	}
	if first.claim.intact() {
		t.Error("the first one still has the locks")
	}
	r.api.Close()
	ps, err := r.api.Projects(r.ctx, false)
	if err != nil || len(ps.Projects) != 1 || ps.Projects[0].Services[0].PID != pid {
		t.Errorf("the second one: %+v, %v", ps, err)
	}
}

// One lock is enough to keep a second daemon away, whichever is left.
func TestOneLockIsEnough(t *testing.T) {
	for i := range 2 {
		r := newRig(t)
		r.start()
		if err := os.Remove(r.cfg.Dirs.Locks()[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := New(r.ctx, r.cfg); !errors.Is(err, ErrRunning) {
			t.Errorf("got %v", err)
		}
		h, ok := r.cfg.Dirs.Holder()
		if !ok || h.PID != os.Getpid() {
			t.Errorf("who has the locks: %+v, %v", h, ok)
		}
		if !within(func() bool { _, err := os.Lstat(r.cfg.Dirs.Locks()[i]); return err == nil }) {
			t.Error("it was not made again")
		}
		if err := r.stop(); err != nil {
			t.Fatal(err)
		}
		if h, ok := r.cfg.Dirs.Holder(); ok {
			t.Errorf("afterwards: %+v", h)
		}
	}
}

// A state directory that can have no lock is no reason not to serve.
func TestWithoutTheSecondLock(t *testing.T) {
	r := newRig(t)
	if err := r.cfg.Dirs.Make(); err != nil {
		t.Fatal(err)
	}
	spare := r.cfg.Dirs.Spare()
	if err := os.MkdirAll(filepath.Join(spare, "lodge.lock", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // it may not be renamed
		if err := unix.Mount("tmpfs", filepath.Join(spare, "lodge.lock"), "tmpfs", 0, "size=4k"); err != nil {
			t.Skip("needs mounts: " + err.Error())
		}
		t.Cleanup(func() { _ = unix.Unmount(filepath.Join(spare, "lodge.lock"), unix.MNT_DETACH) })
	}
	r.start()
	if _, err := r.api.Info(r.ctx); err != nil {
		t.Error(err)
	}
	if _, err := New(r.ctx, r.cfg); !errors.Is(err, ErrRunning) {
		t.Errorf("a second one: %v", err)
	}
}

// A keeper that runs and cannot be reached is listed, not doubled, and ended.
func TestAKeeperThatCannotBeReached(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	stalltest.Stop(t, p.KeeperPID)
	if err := os.Remove(p.Socket); err != nil {
		t.Fatal(err)
	}
	r.start()
	if !within(func() bool {
		ps, err := r.api.Projects(r.ctx, false)
		return err == nil && len(ps.Projects) == 1 && ps.Projects[0].State == "up" && ps.Projects[0].Unresponsive != ""
	}) {
		t.Error("it is not listed as what it is")
	}
	_, err := r.api.Open(r.ctx, localapi.OpenRequest{Path: p.Path, Name: "shop"})
	var e *localapi.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "is stopped by a signal") || !strings.Contains(e.Hint, fmt.Sprintf("kill -CONT %d", p.KeeperPID)) {
		t.Errorf("open: %v", err)
	}
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	if !gone(pid) || !gone(p.KeeperPID) {
		t.Error("processes are left")
	}
}

// A record of before the last boot names a process that is another one now.
func TestARecordOfAnotherBoot(t *testing.T) {
	r := newRig(t)
	r.start()
	p := r.project("shop", loopback.None)
	pid := r.serve(p)
	record := filepath.Join(r.cfg.Dirs.Spare(), p.ID+".json")
	b, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.api.Down(r.ctx, p.ID), r.stop()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(record); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the second record is left: %v", err)
	}
	i := strings.Index(string(b), `"boot_id":"`)
	if i < 0 {
		t.Fatalf("no boot in %s", b)
	}
	if err := os.WriteFile(record, []byte(string(b[:i])+`"boot_id":"another"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	if ps, err := r.api.Projects(r.ctx, false); err != nil || len(ps.Projects) != 0 {
		t.Errorf("got %+v, %v", ps, err)
	}
	if _, err := os.Lstat(record); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is left: %v", err)
	}
	if !gone(pid) {
		t.Error("the service is left")
	}
}

// What is made again has the mode that it had: root's state may be walked
// through, since services, which may be other users, read certificates below it.
func TestTheStateDirectoryIsMadeAgain(t *testing.T) {
	r := newRig(t)
	r.start()
	before, err := os.Stat(r.cfg.Dirs.State)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(r.cfg.Dirs.State); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool {
		after, err := os.Stat(r.cfg.Dirs.State)
		return err == nil && after.Mode() == before.Mode()
	}) {
		t.Errorf("it is not made again with the mode %v", before.Mode())
	}
}
