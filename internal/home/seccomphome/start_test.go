package seccomphome

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

func TestStartErrors(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	before := descriptors(t)
	for _, test := range []struct {
		name string
		c    home.Command
		want error
	}{
		{"not found", home.Command{Path: dir + "/none", Args: []string{"none"}}, unix.ENOENT},
		{"not executable", home.Command{Path: write("plain", "x", 0o600), Args: []string{"plain"}}, unix.EACCES},
		{"a directory", home.Command{Path: dir, Args: []string{"dir"}}, unix.EACCES},
		{"no format", home.Command{Path: write("text", "not a program", 0o700), Args: []string{"text"}}, unix.ENOEXEC},
		{"no interpreter", home.Command{Path: write("script", "#!/none/at/all\n", 0o700), Args: []string{"script"}}, unix.ENOENT},
		{"no directory", home.Command{Path: "/bin/true", Args: []string{"true"}, Dir: dir + "/none"}, unix.ENOENT},
		{"a directory that is a file", home.Command{Path: "/bin/true", Args: []string{"true"}, Dir: dir + "/plain"}, unix.ENOTDIR},
		{"no path", home.Command{Args: []string{"true"}}, unix.EINVAL},
		{"no arguments", home.Command{Path: "/bin/true"}, unix.EINVAL},
		{"zero byte", home.Command{Path: "/bin/true", Args: []string{"a\x00b"}}, unix.EINVAL},
		{"too long", home.Command{Path: "/bin/true", Args: []string{"true", strings.Repeat("x", 1<<20)}}, unix.E2BIG},
		{"not a terminal", home.Command{Path: "/bin/true", Args: []string{"true"}, Terminal: true}, unix.ENOTTY},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := tryStart(t, h, test.c)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && test.c.Path != "" && !strings.Contains(err.Error(), test.c.Path) {
				t.Errorf("%v does not name the executable", err)
			}
		})
	}
	waitFor(t, "the listeners' end", func() bool {
		return h.listeners.count() == 0
	})
	waitFor(t, "our descriptors to be closed", func() bool { return descriptors(t) <= before })
	missing, err := Open(h.spec, "/none/at/all")
	if err != nil {
		t.Fatal(err)
	}
	defer missing.Close()
	if _, err := missing.Start(home.Command{Path: "/bin/true", Args: []string{"true"}}); !errors.Is(err, unix.ENOENT) {
		t.Error("no shim:", err)
	}
}

// descriptors counts our own.
func descriptors(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestStart(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	dir := t.TempDir()
	p, err := tryStart(t, h, home.Command{Service: "web", Path: "/bin/sh", Args: []string{"-sh", "-c",
		`echo "$0 $1"; pwd; echo "$A $LODGE_SERVICE $LODGE_HOME_ID"; ps -o sid= -p $$ | tr -d ' '; echo $$; ulimit -n; ls /proc/self/fd | tr '\n' ' '; cat /proc/self/status | grep -E 'Sig(Blk|Ign)' | tr '\n' ' '; exit 7`, "name", "arg"},
		Env: []string{"A=b c", "PATH=/usr/bin:/bin", "LODGE_SERVICE=other"}, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	p.expect("name arg")
	p.expect(dir)
	p.expect("b c web " + h.spec.ID)
	p.expect(fmt.Sprint(p.pid))
	p.expect(fmt.Sprint(p.pid))
	var limit unix.Rlimit
	if err := unix.Prlimit(os.Getpid(), unix.RLIMIT_NOFILE, nil, &limit); err != nil {
		t.Fatal(err)
	}
	if got := p.line(); got == "" {
		t.Error("no limit of open files")
	}
	// 3 is ls's own, of the directory.
	rest := p.rest()
	if !strings.HasPrefix(rest, "0 1 2 3 ") {
		t.Errorf("descriptors: %s", rest)
	}
	if !strings.Contains(rest, "SigBlk:\t0000000000000000") {
		t.Errorf("signals: %s", rest)
	}
	if got := p.wait().ExitStatus(); got != 7 {
		t.Errorf("exit status %d", got)
	}
}

func TestStartFiles(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := tryStart(t, h, home.Command{Service: "web", Path: "/bin/sh", Files: []*os.File{nil, nil, nil, w},
		Args: []string{"sh", "-c", `for i in 0 1 2 3 4 5; do [ -e /proc/$$/fd/$i ] && printf "$i " >&3; done; echo >&3`}})
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(b); got != "3 \n" {
		t.Errorf("open descriptors: %q", got)
	}
	p.wait()
}

func TestStartTerminal(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	m, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo terminals:", err)
	}
	defer m.Close()
	if err := unix.IoctlSetPointerInt(int(m.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(m.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	s, err := os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tryStart(t, h, home.Command{Service: "web", Path: "/bin/sh", Terminal: true, Files: []*os.File{s, s, s},
		Args: []string{"sh", "-c", `tty; echo yes > /dev/tty`}})
	if err != nil {
		t.Fatal(err)
	}
	p.wait()
	_ = s.Close()
	b := make([]byte, 200)
	got := ""
	for !strings.Contains(got, "yes") {
		k, err := m.Read(b)
		got += string(b[:k])
		if err != nil {
			break
		}
	}
	if want := fmt.Sprintf("/dev/pts/%d\r\nyes\r\n", n); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nothing of a service escapes Kill, however it was started.
func TestDaemons(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	daemon := func(env string) string {
		return `
r, w = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        ` + env + `
        s = socket(); s.bind(('127.0.0.1', int(sys.argv[1]))); s.listen(); os.write(w, b'x')
        while True: time.sleep(100)
    os._exit(0)
os.read(r, 1); os.wait(); print('ready')`
	}
	clear := `os.execve(sys.executable, [sys.executable, '-c', 'import socket,time,os\ns = socket.socket(); s.bind(("127.0.0.1", %s)); s.listen(); os.write(%d, b"x")\nwhile True: time.sleep(100)' % (sys.argv[1], (os.set_inheritable(w, True), w)[1])], {})`
	for i, script := range []string{daemon("pass"), daemon(clear)} {
		p := py(t, h, fmt.Sprint("d", i), script, fmt.Sprint(3000+i))
		p.expect("ready")
		p.wait() // the daemon keeps the output open
	}
	threads := py(t, h, "tree", `
for _ in range(3):
    if os.fork() == 0: time.sleep(1000)
print('ready'); sys.stdin.readline()`)
	threads.expect("ready")
	list, err := h.Endpoints()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 2 || list[0].Service != "d0" || list[1].Service != "d1" {
		t.Errorf("endpoints %v", list)
	}
	all, err := h.Pids("")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 6 {
		t.Errorf("%d processes, want 6", len(all))
	}
	for service, want := range map[string]int{"d0": 1, "d1": 1, "tree": 4, "none": 0} {
		pids, err := h.Pids(service)
		if err != nil {
			t.Fatal(err)
		}
		if len(pids) != want {
			t.Errorf("%s: processes %v, want %d", service, pids, want)
		}
		if err := h.Kill(service); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			if !slices.Contains(all, pid) {
				t.Errorf("process %d is not among all", pid)
			}
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
		waitFor(t, "the end of "+service, func() bool {
			pids, err := h.Pids(service)
			if err != nil {
				t.Fatal(err)
			}
			return len(pids) == 0
		})
		if err := h.Forget(service); err != nil {
			t.Error(err)
		}
	}
	if left, err := h.Pids(""); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// An orphan that cleared its environment before anybody saw it is of no
// service, but of the home.
func TestUnknownOrphan(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	p := py(t, h, "web", `
r, w = os.pipe(); os.set_inheritable(w, True)
if os.fork() == 0:
    if os.fork() == 0:
        os.execve('/bin/sh', ['sh', '-c', 'echo x >&%d; exec sleep 1000' % w], {})
    os._exit(0)
os.wait(); os.read(r, 1); print('ready')`)
	p.expect("ready")
	p.wait()
	if pids, err := h.Pids("web"); err != nil || len(pids) != 0 {
		t.Errorf("web: %v, %v", pids, err)
	}
	pids, err := h.Pids("")
	if err != nil || len(pids) != 1 {
		t.Fatalf("all: %v, %v", pids, err)
	}
	if err := h.Kill(""); err != nil {
		t.Error(err)
	}
	if _, err := unix.Wait4(pids[0], nil, 0, nil); err != nil {
		t.Error(err)
	}
}

// Kill wins against processes that keep moving: each forks the next one and
// ends. There are a few at a time, and they stop by themselves.
func TestKillForks(t *testing.T) {
	h := newHome(t, loopback.Overlay)
	p := py(t, h, "hopper", `
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        for _ in range(200):
            if os.fork() != 0: os._exit(0)
            os.setsid()
        os._exit(0)
print('ready'); sys.stdin.readline()`)
	p.expect("ready")
	if err := h.Kill("hopper"); err != nil {
		t.Error(err)
	}
	reapAll(t, h)
}
