package ebpfhome

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

func TestGroupNames(t *testing.T) {
	for service, want := range map[string]string{
		"web": "web", "web-2_A": "web-2_A", "../x": "%2e%2e%2fx", "cgroup.procs": "cgroup%2eprocs",
		".": "%2e", "a b\n": "a%20b%0a", "%41": "%2541", "é": "%c3%a9",
	} {
		got, err := groupName(service)
		if err != nil || got != want {
			t.Errorf("groupName(%q) = %q, %v, want %q", service, got, err, want)
		}
		if back, ok := serviceName(got); !ok || back != service {
			t.Errorf("serviceName(%q) = %q, %v, want %q", got, back, ok, service)
		}
	}
	for _, bad := range []string{"", strings.Repeat("x", 201), strings.Repeat(".", 67)} {
		if got, err := groupName(bad); err == nil {
			t.Errorf("groupName(%q) = %q, want an error", bad, got)
		}
	}
	for _, bad := range []string{"%", "%4", "%41", "%2E", "a.b", "%zz", ""} {
		if got, ok := serviceName(bad); ok {
			t.Errorf("serviceName(%q) = %q, want none", bad, got)
		}
	}
}

func TestFilesFrom(t *testing.T) {
	if _, err := FilesFrom(make([]*os.File, 4)); err == nil {
		t.Error("four descriptors are too few")
	}
}

// start starts a shell command and gives a reader of its output.
func start(t *testing.T, h home.Inside, service, script string) (int, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { must(t, r.Close()) })
	pid, err := h.Start(home.Command{
		Service: service, Path: "/bin/sh", Args: []string{"sh", "-c", script},
		Env: []string{"PATH=/usr/bin:/bin", "A=b"}, Dir: "/tmp", Files: []*os.File{nil, w, os.Stderr},
	})
	must(t, err)
	must(t, w.Close())
	return pid, bufio.NewReader(r)
}

func TestStart(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	pid, out := start(t, h, "web", "echo $$ $A $PWD; cat /proc/self/cgroup | sed -n 's/^0:://p'; ls /proc/self/fd | grep -c '^0$'")
	line := func() string {
		s, err := out.ReadString('\n')
		must(t, err)
		return strings.TrimSpace(s)
	}
	if got, want := line(), fmt.Sprintf("%d b /tmp", pid); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := line(); !strings.HasSuffix(got, filepath.Base(h.path)+"/in/web") {
		t.Errorf("cgroup %s", got)
	}
	var st unix.WaitStatus
	_, err := unix.Wait4(pid, &st, 0, nil)
	if err != nil || st.ExitStatus() > 1 {
		t.Errorf("wait4: %v, status %d: the caller reaps", err, st.ExitStatus())
	}
	_, err = h.Start(home.Command{Service: "web", Path: "/nonexistent/thing", Args: []string{"thing"}})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "/nonexistent/thing") {
		t.Errorf("start nothing: %v", err)
	}
}

func TestSession(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	pid, out := start(t, h, "web", "ps -o sid= -p $$; ps -o tty= -p $$")
	sid, err := out.ReadString('\n')
	must(t, err)
	tty, err := out.ReadString('\n')
	must(t, err)
	if strings.TrimSpace(sid) != fmt.Sprint(pid) || strings.TrimSpace(tty) != "?" {
		t.Errorf("session %q of process %d, terminal %q", sid, pid, tty)
	}
	reap(t, pid)

	// With a terminal.
	master, slave := openTerminal(t)
	pid, err = h.Start(home.Command{
		Service: "shell", Path: "/bin/sh", Args: []string{"sh", "-c", "tty; : </dev/tty && echo controlled"},
		Files: []*os.File{slave, slave, slave}, Terminal: true,
	})
	must(t, err)
	must(t, slave.Close())
	b := make([]byte, 256)
	var got string
	for !strings.Contains(got, "controlled") {
		n, err := master.Read(b)
		got += string(b[:n])
		if err != nil {
			break
		}
	}
	if !strings.Contains(got, "/dev/pts/") || !strings.Contains(got, "controlled") {
		t.Errorf("on a terminal: %q", got)
	}
	reap(t, pid)
	must(t, master.Close())
}

func openTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	must(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return master, slave
}

func TestPidsKillForget(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	// A daemon: its parent ends, it leaves the session.
	pid, out := start(t, h, "web", "setsid sleep 1000 & echo $!; sleep 1000 & echo $!; exit 0")
	var want []int
	for range 2 {
		var n int
		_, err := fmt.Fscanln(out, &n)
		must(t, err)
		want = append(want, n)
	}
	reap(t, pid)
	other, _ := start(t, h, "db", "exec sleep 1000")

	pids := func(service string) []int {
		t.Helper()
		p, err := h.Pids(service)
		must(t, err)
		slices.Sort(p)
		return p
	}
	slices.Sort(want)
	// setsid(1) forks if it leads a process group.
	if got := pids("web"); len(got) != 2 {
		t.Errorf("processes of web: %v, want two as %v", got, want)
	}
	if got := pids("db"); !slices.Equal(got, []int{other}) {
		t.Errorf("processes of db: %v, want %d", got, other)
	}
	if got := pids(""); len(got) != 3 {
		t.Errorf("processes: %v, want three", got)
	}
	if got := pids("nothing"); len(got) != 0 {
		t.Errorf("processes of nothing: %v", got)
	}
	if err := h.Forget("web"); !errors.Is(err, unix.EBUSY) {
		t.Errorf("forget a service that runs: %v", err)
	}
	must(t, h.Kill("web"))
	must(t, h.Kill("nothing"))
	gone(t, h.path+"/in/web")
	if got := pids("web"); len(got) != 0 {
		t.Errorf("processes of web after Kill: %v", got)
	}
	if got := pids("db"); len(got) != 1 {
		t.Errorf("processes of db after Kill of web: %v", got)
	}
	must(t, h.Forget("web"))
	must(t, h.Forget("web"))
	if _, err := os.Stat(h.path + "/in/web"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cgroup after Forget: %v", err)
	}
	must(t, h.Kill(""))
	reap(t, other)
}

// gone waits until no process is in the cgroup.
func gone(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path + "/cgroup.events")
	must(t, err)
	defer f.Close()
	b := make([]byte, 100)
	for deadline := time.Now().Add(10 * time.Second); ; {
		n, _ := f.ReadAt(b, 0)
		if strings.Contains(string(b[:n]), "populated 0") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: processes are left", path)
		}
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(f.Fd()), Events: unix.POLLPRI}}, 1000)
		if err != nil && !errors.Is(err, unix.EINTR) {
			t.Fatal(err)
		}
	}
}

func TestClose(t *testing.T) {
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)
	must(t, h.Lease("web", 51003))
	must(t, h.Close())
	must(t, h.Close())
	if _, err := h.Start(home.Command{Service: "web", Path: "/bin/true", Args: []string{"true"}}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("start after Close: %v", err)
	}
	out := outside(t)
	out.mustServe("tcp4", h.spec.IP4.String()+":51003")
}

// keeperOrders is what TestUnprivilegedKeeper gives to a keeper of another
// user, which has the home as inherited descriptors.
type keeperOrders struct {
	Spec  home.Spec
	Files int
}

// beKeeper opens the home and uses all of it, without any privilege.
func beKeeper() error {
	var o keeperOrders
	d := json.NewDecoder(os.Stdin)
	if err := d.Decode(&o); err != nil {
		return err
	}
	if os.Geteuid() == 0 {
		return errors.New("this is root")
	}
	var files []*os.File
	for i := range o.Files {
		files = append(files, os.NewFile(uintptr(3+i), "engine"))
	}
	hf, err := FilesFrom(files)
	if err != nil {
		return err
	}
	h, err := Open(o.Spec, hf)
	if err != nil {
		return err
	}
	// Wait for the word that the helper let this process in.
	var word string
	if err := d.Decode(&word); err != nil {
		return err
	}
	if err := h.Lease("web", 51004); err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	pid, err := h.Start(home.Command{Service: "web", Path: o.Spec.ID, Args: []string{"puppet", "serve"}, Files: []*os.File{nil, w, os.Stderr}})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
		return fmt.Errorf("the service: %w", err)
	}
	all, err := h.Endpoints()
	if err != nil {
		return err
	}
	want := loopback.Endpoint{Protocol: loopback.TCP, IP: o.Spec.IP4, Port: 51004, Service: "web", Owner: loopback.OwnedBy(uint32(os.Getuid()))}
	if !slices.ContainsFunc(all, func(e loopback.Endpoint) bool { e.Inode = 0; return e == want }) {
		return fmt.Errorf("endpoints %v, want %v", all, want)
	}
	select {
	case <-h.Changes():
	case <-time.After(10 * time.Second):
		return errors.New("no change was told")
	}
	pids, err := h.Pids("")
	if err != nil || !slices.Equal(pids, []int{pid}) {
		return fmt.Errorf("processes %v, want %d: %w", pids, pid, err)
	}
	if err := h.Kill(""); err != nil {
		return err
	}
	var st unix.WaitStatus
	if _, err := unix.Wait4(pid, &st, 0, nil); err != nil {
		return err
	}
	if err := h.Forget("web"); err != nil {
		return err
	}
	return h.Close()
}

func TestUnprivilegedKeeper(t *testing.T) {
	const uid = 65534
	c := spawnFor(t, uid, uid)
	bin := publicExe(t)
	ip4 := randomHome()
	hf, err := c.CreateHome(t.Context(), ip4, false)
	must(t, err)
	cmd := exec.Command(bin, "keeper")
	cmd.ExtraFiles = hf.Files()
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	must(t, hf.Close())
	enc := json.NewEncoder(in)
	must(t, enc.Encode(keeperOrders{home.Spec{ID: bin, IP4: ip4, IP6: hf.IP6, Isolation: loopback.Overlay}, len(hf.Files())}))
	must(t, c.Enter(t.Context(), ip4, cmd.Process.Pid))
	// Not anybody's process.
	if err := c.Enter(t.Context(), ip4, outside(t).pid); err == nil || !strings.Contains(err.Error(), "belongs to user 0") {
		t.Errorf("enter a process of root: %v", err)
	}
	must(t, enc.Encode("go"))
	must(t, in.Close())
	must(t, cmd.Wait())
	must(t, c.RemoveHome(context.Background(), hf.Path, false))
}
