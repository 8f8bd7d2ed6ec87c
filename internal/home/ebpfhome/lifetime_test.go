package ebpfhome

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/loopback"
)

// attached counts the programs that the kernel has on a cgroup.
func attached(t *testing.T, path string) int {
	t.Helper()
	n, err := bpf.Attached(path)
	must(t, err)
	return n
}

// eventually asks again until it is so: the kernel frees links and programs
// after the last close, in the background.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("not in ten seconds: " + what)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	base := filepath.Dir(h.path)
	if n := attached(t, base); n != 17 {
		t.Errorf("%d programs are attached, want 17", n)
	}
	p := puppetIn(t, h, "web")
	p.mustServe("tcp6only", "[::1]:26001")
	// A second home loads nothing and attaches nothing.
	second := newHome(t, c, loopback.Strict)
	if filepath.Dir(second.path) != base || attached(t, base) != 17 {
		t.Errorf("second home at %s, %d programs", second.path, attached(t, base))
	}
	p.end()
	must(t, second.Close())
	must(t, c.RemoveHome(t.Context(), second.path, false))
	if n := attached(t, base); n != 17 {
		t.Errorf("%d programs are attached after one of two homes is gone, want 17", n)
	}
	must(t, h.Close())
	must(t, c.RemoveHome(t.Context(), h.path, false))
	if _, err := os.Stat(base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cgroup of the last home: %v", err)
	}
	for _, ip6 := range []loopback.Endpoint{{IP: h.spec.IP6}, {IP: second.spec.IP6}} {
		if hasAddress(t, ip6.IP.String()) {
			t.Errorf("%s is left on lo", ip6.IP)
		}
	}
	// The same helper makes another one.
	third := newHome(t, c, loopback.Overlay)
	puppetIn(t, third, "web").mustServe("tcp4", "127.0.0.1:26002")
}

func TestHelperIsKilled(t *testing.T) {
	needRoot(t)
	first := spawn(t)
	h := newHome(t, first, loopback.Overlay)
	base := filepath.Dir(h.path)
	web := puppetIn(t, h, "web")
	listener := web.mustServe("tcp6only", "[::]:26010")

	must(t, unix.Kill(first.Pid(), unix.SIGKILL))
	// The old socket, new sockets, new processes: all as before.
	work := func() {
		t.Helper()
		fd := web.socket(unix.AF_INET6, unix.SOCK_STREAM)
		if r := web.connect(fd, unix.AF_INET6, "[::1]:26010"); r.Err != "" {
			t.Errorf("connect: %s", r.Err)
		}
		web.close(web.ok(order{Op: "accept", FD: listener}).FD)
		web.close(fd)
		db := puppetIn(t, h, "db")
		db.close(db.mustServe("tcp4", "0.0.0.0:26011"))
		db.end()
		all, err := h.Endpoints()
		must(t, err)
		if !slices.ContainsFunc(all, func(e loopback.Endpoint) bool { return e.Service == "web" && e.Port == 26010 }) {
			t.Errorf("endpoints %v", all)
		}
	}
	eventually(t, "the helper is gone", func() bool {
		_, err := first.Hello(t.Context())
		return err != nil
	})
	work()
	if n := attached(t, base); n != 17 {
		t.Errorf("%d programs are attached, want 17", n)
	}

	// A new helper: a base of its own, the old home stays and cannot be made
	// again or swept away.
	second := spawn(t)
	other := newHome(t, second, loopback.Overlay)
	if filepath.Dir(other.path) == base {
		t.Error("the new helper uses the old base")
	}
	if _, err := second.CreateHome(t.Context(), h.spec.IP4, false); err == nil {
		t.Error("a home was made twice")
	}
	swept, err := second.Sweep(t.Context())
	must(t, err)
	if slices.Contains(swept.Homes, h.path) || slices.Contains(swept.Addresses, h.spec.IP6) {
		t.Errorf("swept a home in use: %+v", swept)
	}
	work()
	if err := second.RemoveHome(t.Context(), h.path, false); err == nil {
		t.Error("a home in use was removed without a kill")
	}
	work()
	// It adopts the old home by removing it.
	must(t, h.Close())
	must(t, second.RemoveHome(t.Context(), h.path, true))
	if _, err := os.Stat(base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("old base: %v", err)
	}
	if hasAddress(t, h.spec.IP6.String()) {
		t.Error("the address of the old home is left")
	}
}

// Everything dies but the services.
func TestKeeperAndHelperAreGone(t *testing.T) {
	first := spawn(t)
	hf, err := first.CreateHome(t.Context(), randomHome(), false)
	must(t, err)
	files, err := FilesFrom(hf.Files())
	must(t, err)
	in, err := Open(home.Spec{ID: "test", IP4: hf.IP4, IP6: hf.IP6, Isolation: loopback.Overlay}, files)
	must(t, err)
	pid, _ := start(t, in, "web", "exec sleep 1000")
	must(t, unix.Kill(first.Pid(), unix.SIGKILL))
	must(t, in.Close())
	base := filepath.Dir(hf.Path)
	eventually(t, "no hook is left", func() bool { return attached(t, base) == 0 })
	second := spawn(t)
	must(t, second.RemoveHome(t.Context(), hf.Path, true))
	reap(t, pid)
	must(t, second.RemoveHome(t.Context(), hf.Path, true))
	if _, err := os.Stat(base); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("base: %v", err)
	}
}

// A client that goes away ends no home in use, and leaves none that is not.
func TestClientGoesAway(t *testing.T) {
	needRoot(t)
	c, err := helperapi.Spawn(exe(t), "helper")
	must(t, err)
	empty, err := c.CreateHome(t.Context(), randomHome(), false)
	must(t, err)
	must(t, empty.Close())
	used, err := c.CreateHome(t.Context(), randomHome(), false)
	must(t, err)
	files, err := FilesFrom(used.Files())
	must(t, err)
	in, err := Open(home.Spec{ID: "test", IP4: used.IP4, IP6: used.IP6}, files)
	must(t, err)
	pid, _ := start(t, in, "web", "exec sleep 1000")
	must(t, c.Close())

	if _, err := os.Stat(empty.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("empty home: %v", err)
	}
	if n := attached(t, filepath.Dir(used.Path)); n != 17 {
		t.Errorf("%d programs are attached, want 17", n)
	}
	puppet := puppetIn(t, in, "db")
	puppet.mustServe("tcp4", "127.0.0.1:26020")
	puppet.end()
	must(t, in.Kill(""))
	reap(t, pid)
	must(t, in.Close())
	gone(t, used.Path)

	again := spawn(t)
	swept, err := again.Sweep(context.Background())
	must(t, err)
	if !slices.Contains(swept.Homes, used.Path) {
		t.Errorf("swept %+v, want %s", swept, used.Path)
	}
	if _, err := os.Stat(filepath.Dir(used.Path)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("base: %v", err)
	}
	if hasAddress(t, used.IP6.String()) {
		t.Error("the address is left")
	}
}
