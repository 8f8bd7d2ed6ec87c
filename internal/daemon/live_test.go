package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

func (m *liveMap) running() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client != nil
}

func (m *liveMap) helperPid() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil {
		return 0
	}
	return m.client.Pid()
}

// owners waits until the map has started and gives its answer.
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
		t.Skip("needs root: its daemon starts a helper")
	}
	r := newRig(t)
	d := r.start()
	_, inode := listener(t)
	if d.live.running() {
		t.Error("the map runs before somebody asks")
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
	first := d.live.helperPid()
	mine()
	if pid := d.live.helperPid(); pid != first || pid == 0 {
		t.Errorf("helper %d, then %d", first, pid)
	}
	// It is the helper that does everything else.
	if c, err := d.engines.helperClient(r.ctx); err != nil || c.Pid() != first {
		t.Errorf("the map is in helper %d; homes have another: %v", first, err)
	}
	// Another helper takes over from one that was killed.
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	mine()
	if pid := d.live.helperPid(); pid == first {
		t.Errorf("the helper that was killed, %d, goes on", pid)
	}
	doctor, err := r.api.Doctor(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c := capability(doctor, liveMapName); c.Status != "yes" || c.Reason == "" {
		t.Errorf("doctor says %+v", c)
	}
}

// TestSocketsWithLiveMap: a table of sockets with the map has the process of a
// connection that is over, and when others began.
func TestSocketsWithLiveMap(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: its daemon starts a helper")
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

func capability(d localapi.Doctor, name string) localapi.Capability {
	for _, c := range d.Capabilities {
		if c.Name == name {
			return c
		}
	}
	return localapi.Capability{}
}

// TestOwnersIdle: the map ends when nobody asks any more, and comes back.
func TestOwnersIdle(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: its daemon starts a helper")
	}
	r := newRig(t)
	r.cfg.LiveIdle = 50 * time.Millisecond
	d := r.start()
	for range 2 {
		r.owners()
		if !within(func() bool { return !d.live.running() }) {
			t.Fatal("the map goes on")
		}
	}
}

// TestOwnersKept: a daemon that was told to has the map from the start.
func TestOwnersKept(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: its daemon starts a helper")
	}
	r := newRig(t)
	r.cfg.LiveMap, r.cfg.LiveIdle = true, time.Nanosecond
	d := r.start()
	if !within(d.live.running) {
		t.Fatal("the map does not start")
	}
	pid := d.live.helperPid()
	r.owners()
	if got := d.live.helperPid(); got != pid {
		t.Errorf("helper %d, then %d", pid, got)
	}
}

// TestOwnersWithoutHelper: it says so, and how to get one.
func TestOwnersWithoutHelper(t *testing.T) {
	r := newRig(t)
	if os.Geteuid() == 0 {
		r.cfg.Helper = "/nonexistent/lodge-helper" // so that root's helper does not start
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
	doctor, err := r.api.Doctor(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if c := capability(doctor, liveMapName); c.Status != "no" {
		t.Errorf("doctor says %+v", c)
	}
}
