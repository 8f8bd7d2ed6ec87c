package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/localapi"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
)

// listener returns a listening socket of this process and its inode.
func listener(t *testing.T) (net.Listener, uint32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	raw, err := ln.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	var statErr error
	if err := raw.Control(func(fd uintptr) { statErr = unix.Fstat(int(fd), &st) }); err != nil || statErr != nil {
		t.Fatal(err, statErr)
	}
	return ln, uint32(st.Ino)
}

func (m *Map) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client != nil
}

func (m *Map) helperPid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil {
		return 0
	}
	return m.client.Pid()
}

// TestMain also is the helper that the connection starts.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == helperapi.ProgramName {
		if err := helper.Main(context.Background(), os.Args[1:], os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// rig is a map behind a socket, as the daemon serves it.
type rig struct {
	t       *testing.T
	ctx     context.Context
	options Options
	program string // of the helper
	helper  *helperconn.Conn
	api     *localapi.Client
}

func newRig(t *testing.T) *rig {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r := &rig{t: t, ctx: ctx, options: Options{Log: slog.New(slog.DiscardHandler)}, program: filepath.Join(t.TempDir(), helperapi.ProgramName)}
	if err := os.Symlink(exe, r.program); err != nil {
		t.Fatal(err)
	}
	return r
}

// patience is how long a whole test may take, on a machine with much else to do.
const patience = 5 * time.Minute

func within(ok func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(patience)
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

// start serves the map until the test ends.
func (r *rig) start() *Map {
	r.t.Helper()
	r.helper = helperconn.New(helperconn.Options{Program: r.program})
	m := New(r.helper, r.options)
	if r.options.Kept {
		m.Start()
	}
	dir, err := os.MkdirTemp("", "ll") // short: it is part of a socket's address
	if err != nil {
		r.t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		r.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /v1/owners", m)
	srv := &http.Server{Handler: mux}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln) // ends with Close
	}()
	r.api = localapi.New(path)
	r.t.Cleanup(func() {
		r.api.Close()
		err := srv.Close()
		<-served
		m.Close()
		if err := errors.Join(err, r.helper.Close(), os.RemoveAll(dir)); err != nil {
			r.t.Error(err)
		}
	})
	return m
}

// owners waits until the map has started and returns its answer.
func (r *rig) owners() *holders.Owners {
	r.t.Helper()
	var o *holders.Owners
	var err error
	if !within(func() bool {
		o, err = r.api.Owners(r.ctx)
		return !errors.Is(err, holders.ErrNoLive)
	}) || err != nil {
		r.t.Fatal(err)
	}
	return o
}

func TestOwnersWithHelper(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a helper")
	}
	r := newRig(t)
	m := r.start()
	_, inode := listener(t)
	if m.running() {
		t.Error("the map runs before it is asked")
	}
	mine := func() {
		t.Helper()
		o := r.owners()
		held := o.Holders(inode)
		if len(held) != 1 || o.Processes[held[0]].PID != os.Getpid() {
			t.Errorf("the listener of process %d is held by %v", os.Getpid(), held)
		}
		if at, ok := o.OpenedAt(inode); ok && at.After(time.Now().Add(time.Second)) {
			t.Errorf("it was opened at %v", at)
		}
	}
	mine()
	first := m.helperPid()
	mine()
	if pid := m.helperPid(); pid != first || pid == 0 {
		t.Errorf("helper %d, then %d", first, pid)
	}
	// It is the helper that does everything else.
	if c, err := r.helper.Client(r.ctx); err != nil || c.Pid() != first {
		t.Errorf("the map is in helper %d; homes have another: %v", first, err)
	}
	// Another helper takes over from one that was killed.
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	mine()
	if pid := m.helperPid(); pid == first {
		t.Errorf("the helper that was killed, %d, goes on", pid)
	}
}

// TestSocketsWithLiveMap: a table of sockets with the map has the process of a
// connection that is over, and when others began.
func TestSocketsWithLiveMap(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a helper")
	}
	r := newRig(t)
	r.start()
	r.owners() // from here on it is seen
	ln, inode := listener(t)
	addr := ln.Addr().(*net.TCPAddr).AddrPort()
	out, err := exec.Command("bash", "-c", fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d; echo $$", addr.Port())).Output()
	if err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := c.RemoteAddr().(*net.TCPAddr).AddrPort()
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal(err)
	}
	_ = c.Close() // the other end is in TIME_WAIT
	table, err := sockets.List(r.ctx, sockets.Query{
		Protocols: []string{"tcp"}, Live: r.api, Filter: sockets.Filter{Ports: []uint16{addr.Port()}},
	})
	if err != nil || len(table.Warnings) > 0 {
		t.Fatal(err, table.Warnings)
	}
	listens, over := false, false
	for _, row := range table.Rows {
		switch {
		case row.Inode == inode:
			listens = true
			if len(row.Processes) != 1 || row.Processes[0].PID != os.Getpid() || row.OpenedAt == nil {
				t.Errorf("the listener: %+v", row)
			}
		case row.Local.AddrPort() == from:
			over = true
			if p := row.Closed; row.State != "time_wait" || p == nil || fmt.Sprintln(p.PID) != string(out) || p.Name != "bash" || !strings.Contains(p.Command, "/dev/tcp/") {
				t.Errorf("the connection that is over: %+v, closed by %+v", row, p)
			}
		}
	}
	if !listens || !over {
		t.Errorf("rows %+v", table.Rows)
	}
}

// TestOwnersIdle: the map ends when nothing asks any more, and comes back.
func TestOwnersIdle(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a helper")
	}
	r := newRig(t)
	r.options.Idle = 50 * time.Millisecond
	m := r.start()
	for range 2 {
		r.owners()
		if !within(func() bool { return !m.running() }) {
			t.Fatal("the map goes on")
		}
	}
}

// TestOwnersKept: a daemon that was told to has the map from the start.
func TestOwnersKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to start a helper")
	}
	r := newRig(t)
	r.options.Kept, r.options.Idle = true, time.Nanosecond
	m := r.start()
	if !within(m.running) {
		t.Fatal("the map does not start")
	}
	pid := m.helperPid()
	r.owners()
	if got := m.helperPid(); got != pid {
		t.Errorf("helper %d, then %d", pid, got)
	}
}

// TestOwnersWithoutHelper: it says so, and how to get one.
func TestOwnersWithoutHelper(t *testing.T) {
	r := newRig(t)
	if os.Geteuid() == 0 {
		r.program = "/nonexistent/lodge-helper" // so that root's helper does not start
	} else if _, err := os.Stat(helperapi.SystemSocket); err == nil {
		t.Skip("a helper is installed here")
	}
	r.start()
	var e *localapi.Error
	said := within(func() bool {
		_, err := r.api.Owners(r.ctx)
		if !errors.Is(err, holders.ErrNoLive) || !errors.As(err, &e) {
			t.Fatalf("%v", err)
		}
		return strings.Contains(e.Message, "helper: ")
	})
	if !said || os.Geteuid() != 0 && e.Hint != "sudo lodge setup" {
		t.Errorf("%+v", e)
	}
}
