package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
)

func needEBPF(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes cgroups and loads eBPF programs")
	}
}

// homesAt lists the cgroups of homes at ip.
func homesAt(ip string) []string {
	var out []string
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		found, _ := filepath.Glob(filepath.Join(mount, "lodge-*", "home-"+ip))
		out = append(out, found...)
	}
	return out
}

// Ctrl-C of `up` at any moment: the next one is as if nothing had been, and so
// is the helper.
func TestOpenIsGivenUp(t *testing.T) {
	needEBPF(t)
	r := newRig(t)
	d := r.start()
	r.project("other", loopback.EBPF)
	dir := filepath.Join(r.dir, "one")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	req := localapi.OpenRequest{Path: dir, Name: "one"}
	pid := d.helper.Current().Pid()
	home := ""
	for i := range 8 {
		ctx, cancel := context.WithCancel(r.ctx)
		given := make(chan error, 1)
		go func() {
			_, err := r.api.Open(ctx, req)
			given <- err
		}()
		switch {
		case home == "":
			_ = time.AfterFunc(time.Millisecond, cancel)
		case i%2 == 0: // when its home is there, and its keeper not yet
			if !within(func() bool { return len(homesAt(home)) > 0 }) {
				t.Fatal("no home was made")
			}
			cancel()
		default:
			_ = time.AfterFunc(time.Duration(i)*5*time.Millisecond, cancel)
		}
		err := <-given
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("given up: %v", err)
		}
		p, err := r.api.Open(r.ctx, req)
		if err != nil || p.Engine != loopback.EBPF || home != "" && p.Home != home {
			t.Fatalf("round %d: the next one: %+v, %v", i, p, err)
		}
		home = p.Home
		if err := r.api.Down(r.ctx, p.ID); err != nil {
			t.Fatal(err)
		}
		if left := homesAt(home); len(left) > 0 {
			t.Fatalf("left: %v", left)
		}
	}
	if now := d.helper.Current().Pid(); now != pid {
		t.Errorf("the helper is process %d, was %d", now, pid)
	}
}

// Where the client has gone for good, nothing of the project stays.
func TestOpenIsUndone(t *testing.T) {
	needEBPF(t)
	r := newRig(t)
	d := r.start()
	dir := filepath.Join(r.dir, "one")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := d.projects.Open(&leaves{Context: r.ctx}, localapi.OpenRequest{Path: dir, Name: "one"})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	list, _ := d.store.List()
	if len(list) != 1 {
		t.Fatalf("known: %+v", list)
	}
	if left := homesAt(list[0].Home.String()); len(left) > 0 || len(d.projects.All()) > 0 {
		t.Errorf("left: %d projects, %v", len(d.projects.All()), left)
	}
}

// leaves is the context of a client that goes away once the work has begun.
type leaves struct {
	context.Context
	asked atomic.Int32
}

func (l *leaves) Err() error {
	if l.asked.Add(1) == 1 {
		return nil
	}
	return context.Canceled
}

// A project whose address another user has a home at takes the next address,
// and keeps its engine.
func TestAnothersHome(t *testing.T) {
	needEBPF(t)
	r := newRig(t)
	d := r.start()
	p := r.project("one", loopback.EBPF)
	if err := r.api.Down(r.ctx, p.ID); err != nil {
		t.Fatal(err)
	}
	c := serveHelper(t, 65533)
	hf, err := c.CreateHome(r.ctx, netip.MustParseAddr(p.Home), false)
	if err != nil {
		t.Fatal(err)
	}
	defer hf.Close()
	again := r.project("one", "")
	if again.Engine != loopback.EBPF || again.Home == p.Home {
		t.Errorf("with another user's home at %s: %s, engine %s", p.Home, again.Home, again.Engine)
	}
	if _, warnings := d.store.List(); !strings.Contains(strings.Join(warnings, "\n"), "65533") {
		t.Errorf("nobody is told: %q", warnings)
	}
	// The helper's word counts where the cgroups do not show it in time.
	taken := &helperapi.Error{Op: "create home", Cause: "in use by user 65533", Code: helperapi.HomeTaken}
	d.engines.Failed(taken)
	if engine, why, err := d.engines.Choose(r.ctx, ""); engine != loopback.EBPF || err != nil {
		t.Errorf("engine %s (%s), %v", engine, why, err)
	}
}

// serveHelper is a helper for another user, within this process.
func serveHelper(t *testing.T, uid uint32) *helperapi.Client {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		if conns[i], err = helperapi.FromFile(os.NewFile(uintptr(fd), "pair")); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, 1)
	go func() { done <- helper.Serve(context.Background(), conns[1], uid, uid, helper.Options{}) }()
	c := helperapi.NewClient(conns[0])
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return c
}
