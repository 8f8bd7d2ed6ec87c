package helper

import (
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/canary"
	"lodge/internal/helperapi"
	"lodge/internal/owners"
)

// asChild makes the test binary a helper, for a test that ends it.
const asChild = "as-helper"

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Arg(0) == asCanary {
		if os.Getenv(closedVariable) != "" {
			if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
				os.Exit(1)
			}
		}
		songs, _ := strconv.Atoi(os.Getenv("LODGE_TEST_SONGS")) // none: one
		for range max(songs, 1) {
			canary.Sing()
		}
		os.Exit(0)
	}
	if flag.Arg(0) == asSender {
		if err := sendToItself(flag.Arg(1)); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	if flag.Arg(0) == asChild {
		conn, err := helperapi.FromFile(os.NewFile(3, "socket"))
		if err == nil {
			err = Serve(context.Background(), conn, uint32(os.Getuid()), uint32(os.Getgid()), withCanary())
		}
		if err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serveLive serves users who share a live map.
func serveLive(t *testing.T, uids ...uint32) (func() int, []*helperapi.Client) {
	t.Helper()
	all := newShared(Options{})
	var clients []*helperapi.Client
	var served sync.WaitGroup
	for _, uid := range uids {
		a, b := socketPair(t)
		served.Go(func() {
			if err := newSession(b, uid, uid, all, func(bool) {}).serve(context.Background()); err != nil {
				t.Error(err)
			}
		})
		clients = append(clients, helperapi.NewClient(a))
	}
	t.Cleanup(func() {
		for _, c := range clients {
			_ = c.Close() // some tests did
		}
		served.Wait()
		if n := all.live.Viewers(); n != 0 {
			t.Errorf("after the last client: %d viewers", n)
		}
	})
	return all.live.Viewers, clients
}

func table(t *testing.T, c *helperapi.Client) *owners.Table {
	t.Helper()
	f, err := c.Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	out, err := owners.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOwners(t *testing.T) {
	needRoot(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// It runs before the map does, and is ended when the map runs.
	early := exec.Command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/`+strings.TrimPrefix(ln.Addr().String(), "127.0.0.1:")+`; read x`)
	input, err := early.StdinPipe()
	if err == nil {
		err = early.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, clients := serveLive(t, 0, 65534)
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := errors.Join(raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }), err); err != nil {
		t.Fatal(err)
	}
	for i, client := range clients {
		got := table(t, client)
		mine := slices.ContainsFunc(got.Holdings, func(h owners.Holding) bool {
			return h.Inode == uint32(st.Ino) && got.Processes[h.Process].PID == uint32(os.Getpid())
		})
		if !mine {
			t.Errorf("client %d: the listener of this process is not told", i)
		}
	}
	if err := early.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = early.Wait() // it was killed
	for i, want := range []string{strings.Join(early.Args, "\x00") + "\x00", ""} {
		got := table(t, clients[i])
		at := slices.IndexFunc(got.Closed, func(c owners.Closed) bool {
			return got.Processes[c.Process].PID == uint32(early.Process.Pid)
		})
		if at < 0 {
			t.Fatalf("client %d: the process that was killed is not told", i)
		}
		if p := got.Processes[got.Closed[at].Process]; p.Name != "bash" || p.Command != want {
			t.Errorf("client %d: %+v, want command %q", i, p, want)
		}
		if to := netip.MustParseAddrPort(ln.Addr().String()); got.Closed[at].Remote != to {
			t.Errorf("client %d: %+v, want a connection to %s", i, got.Closed[at], to)
		}
	}
}

// TestOwnersFile: nobody can change what was answered, nor by that what the
// next one is.
func TestOwnersFile(t *testing.T) {
	needRoot(t)
	_, clients := serveLive(t, 65534)
	f, err := clients[0].Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{1}, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("write: %v, want EPERM", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("truncate: %v, want EPERM", err)
	}
}

// TestOwnersShared: one map for all clients, as long as one is there; many may
// ask at once.
func TestOwnersShared(t *testing.T) {
	needRoot(t)
	viewers, clients := serveLive(t, 0, 65534, 65533)
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			for range 5 {
				f, err := c.Owners(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				_ = f.Close()
			}
		})
	}
	all.Wait()
	if n := viewers(); n != len(clients) {
		t.Errorf("%d viewers, want %d", n, len(clients))
	}
	if err := clients[0].Close(); err != nil {
		t.Fatal(err)
	}
	if got := table(t, clients[1]); len(got.Holdings) == 0 {
		t.Error("nothing after another client left")
	}
}

// TestOwnersKilled: of a helper that was killed nothing is left.
func TestOwnersKilled(t *testing.T) {
	needRoot(t)
	c, err := helperapi.Spawn(os.Args[0], "-test.run=^$", asChild)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := table(t, c); len(got.Holdings) == 0 {
		t.Error("no socket at all")
	}
	programs := programsOf(t, c.Pid())
	if len(programs) == 0 {
		t.Fatal("the helper has no programs")
	}
	if err := unix.Kill(c.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Owners(t.Context()); err == nil {
		t.Error("an answer after the end")
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// The kernel frees a program when nobody can be running it.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for _, id := range programs {
		for programExists(id) {
			select {
			case <-tick.C:
			case <-deadline:
				t.Fatalf("program %d is left", id)
			}
		}
	}
}

// programsOf returns the ids of the eBPF programs to which a process has
// descriptors (/proc/PID/fdinfo).
func programsOf(t *testing.T, pid int) []uint32 {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(pid) + "/fdinfo/"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var ids []uint32
	for _, e := range entries {
		b, err := os.ReadFile(dir + e.Name())
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if v, ok := strings.CutPrefix(line, "prog_id:"); ok {
				id, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, uint32(id))
			}
		}
	}
	return ids
}

// programExists asks with BPF_PROG_GET_FD_BY_ID (bpf(2)).
func programExists(id uint32) bool {
	attr := struct{ id, next, flags uint32 }{id: id}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_GET_FD_BY_ID, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno == 0 {
		_ = unix.Close(int(fd))
	}
	return errno != unix.ENOENT
}
