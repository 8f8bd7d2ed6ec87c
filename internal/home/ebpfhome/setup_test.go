package ebpfhome

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/loopback"
)

func helperContext() context.Context { return context.Background() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func exe(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	must(t, err)
	return path
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: eBPF programs are loaded")
	}
}

// spawn starts a helper in a process of its own.
func spawn(t testing.TB) *helperapi.Client {
	t.Helper()
	needRoot(t)
	c, err := helperapi.Spawn(exe(t), "helper")
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	hello, err := c.Hello(t.Context())
	must(t, err)
	if ok, why := hello.CanMakeHomes(); !ok {
		t.Skip("the ebpf engine does not work here: " + why)
	}
	return c
}

// spawnIn starts a helper in a network namespace, whose homes are there.
func spawnIn(t testing.TB, netns string) *helperapi.Client {
	t.Helper()
	needRoot(t)
	var c *helperapi.Client
	inNetns(t, netns, func() { c = spawn(t) })
	return c
}

// inNetns calls f on a thread that is in the network namespace, as are the
// processes that f starts.
func inNetns(t testing.TB, netns string, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	defer own.Close()
	there, err := os.Open(netns)
	must(t, err)
	defer there.Close()
	must(t, unix.Setns(int(there.Fd()), unix.CLONE_NEWNET))
	defer func() { must(t, unix.Setns(int(own.Fd()), unix.CLONE_NEWNET)) }()
	f()
}

// spawnFor serves another user from within this process.
func spawnFor(t testing.TB, uid, gid uint32) *helperapi.Client {
	t.Helper()
	needRoot(t)
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	ours, err := helperapi.FromFile(os.NewFile(uintptr(fds[0]), "client"))
	must(t, err)
	theirs, err := helperapi.FromFile(os.NewFile(uintptr(fds[1]), "helper"))
	must(t, err)
	done := make(chan error, 1)
	go func() { done <- helper.Serve(context.Background(), theirs, uid, gid, helper.Options{}) }()
	c := helperapi.NewClient(ours)
	t.Cleanup(func() {
		must(t, c.Close())
		must(t, <-done)
	})
	return c
}

// publicExe copies this program to where every user can start it.
func publicExe(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "lodge-test-")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o755))
	b, err := os.ReadFile(exe(t))
	must(t, err)
	path := filepath.Join(dir, "lodge-test")
	must(t, os.WriteFile(path, b, 0o755))
	return path
}

// randomHome returns a home that nobody else has.
func randomHome() netip.Addr {
	var b [8]byte
	rand.Read(b[:])
	return loopback.HomeFor(hex.EncodeToString(b[:]), 0)
}

// testHome is a home with all that belongs to it.
type testHome struct {
	home.Inside
	spec  home.Spec
	path  string
	files *helperapi.HomeFiles
}

// newHome makes a home and removes it after the test.
func newHome(t testing.TB, c *helperapi.Client, isolation loopback.Isolation) *testHome {
	t.Helper()
	ip4 := randomHome()
	hf, err := c.CreateHome(t.Context(), ip4, isolation == loopback.Strict)
	must(t, err)
	if !hf.IP6.IsValid() {
		t.Log("no IPv6: " + hf.IP6Reason)
	}
	spec := home.Spec{ID: "test", IP4: ip4, IP6: hf.IP6, Isolation: isolation}
	files, err := FilesFrom(hf.Files())
	must(t, err)
	in, err := Open(spec, files)
	must(t, err)
	t.Cleanup(func() {
		if err := in.Kill(""); !errors.Is(err, os.ErrClosed) {
			must(t, err)
		}
		must(t, in.Close())
		if _, err := os.Stat(hf.Path); err == nil {
			must(t, c.RemoveHome(context.Background(), hf.Path, true))
		}
	})
	return &testHome{in, spec, hf.Path, hf}
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, bytes.TrimSpace(out))
	}
}

// hasAddress reports whether the machine has the address, which is not zero.
func hasAddress(t testing.TB, ip string) bool {
	t.Helper()
	all, err := net.InterfaceAddrs()
	must(t, err)
	for _, a := range all {
		if n, ok := a.(*net.IPNet); ok && n.IP.String() == ip {
			return true
		}
	}
	return false
}
