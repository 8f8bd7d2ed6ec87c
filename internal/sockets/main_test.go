package sockets

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// roleVariable makes this test binary play one of the roles of roles instead
// of running tests.
const roleVariable = "LODGE_SOCKETS_TEST_ROLE"

// init keeps the main goroutine on the first thread, on which it is while
// packages are initialised ([runtime.LockOSThread]) and may leave later: roles
// depend on it.
func init() { runtime.LockOSThread() }

func TestMain(m *testing.M) {
	if text := os.Getenv(roleVariable); text != "" {
		name, arg, _ := strings.Cut(text, " ")
		r := &role{arg: arg, out: bufio.NewWriter(os.Stdout)}
		f, ok := roles()[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no role", name)
			os.Exit(2)
		}
		f(r)
		os.Exit(0)
	}
	runtime.UnlockOSThread()
	os.Exit(m.Run())
}

// held is a socket that an actor says it holds.
type held struct {
	PID    int
	Inode  uint32
	Cookie uint64
	What   string
	Local  string
}

// role is an actor's side of the conversation with its test: it tells what it
// holds, then "ready", and stays until its input ends.
type role struct {
	arg string
	out *bufio.Writer
}

func (r *role) check(err error, what string) {
	if err != nil {
		fmt.Fprintln(os.Stderr, what+":", err)
		os.Exit(1)
	}
}

// has tells of a descriptor that this process holds.
func (r *role) has(fd int, what string) {
	var st unix.Stat_t
	r.check(unix.Fstat(fd, &st), "stat "+what)
	h := held{PID: os.Getpid(), Inode: uint32(st.Ino), What: what}
	h.Cookie, _ = unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_COOKIE)
	if sa, err := unix.Getsockname(fd); err == nil {
		switch a := sa.(type) {
		case *unix.SockaddrInet4:
			h.Local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
		case *unix.SockaddrInet6:
			h.Local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)).String()
		case *unix.SockaddrUnix:
			h.Local = a.Name
		}
	}
	b, err := json.Marshal(h)
	r.check(err, "encode")
	fmt.Fprintln(r.out, string(b))
}

func (r *role) ready() {
	fmt.Fprintln(r.out, "ready")
	r.check(r.out.Flush(), "tell")
}

// stay waits until the test closes the actor's input.
func (r *role) stay() {
	var b [1]byte
	for {
		n, err := unix.Read(0, b[:])
		if n == 0 || err != nil && err != unix.EINTR {
			return
		}
	}
}

// actor is a process that plays a role.
type actor struct {
	cmd   *exec.Cmd
	holds []held
	end   func()
}

// start starts an actor in a network namespace (-1 is the test's own) and waits
// until it is ready.
func start(t testing.TB, space int, text string, change func(*exec.Cmd)) *actor {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), roleVariable+"="+text)
	cmd.Stderr = os.Stderr
	if change != nil {
		change(cmd)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if space < 0 {
		err = cmd.Start()
	} else {
		err = inSpace(space, cmd.Start)
	}
	if err != nil {
		t.Fatal(err)
	}
	a := &actor{cmd: cmd}
	a.end = sync.OnceFunc(func() {
		_ = in.Close()
		_ = cmd.Wait() // how it ends is not the question
	})
	t.Cleanup(a.end)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if lines.Text() == "ready" {
			return a
		}
		var h held
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			t.Fatalf("actor %q says %q", text, lines.Text())
		}
		a.holds = append(a.holds, h)
	}
	t.Fatalf("actor %q ended early", text)
	return nil
}

// needRoot skips for an ordinary user.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: network namespaces and other users")
	}
}

// newSpace makes a network namespace with its loopback up, and gives a
// descriptor of it and its name in /run/netns.
func newSpace(t testing.TB) (int, string) {
	t.Helper()
	needRoot(t)
	name := ""
	for n := 0; ; n++ {
		name = fmt.Sprintf("lodge-sockets-%d-%d", os.Getpid(), n)
		if _, err := os.Stat(spaceDir + "/" + name); errors.Is(err, os.ErrNotExist) {
			break
		}
	}
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", name) })
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	fd, err := unix.Open(spaceDir+"/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd, name
}

// run runs a program and gives its output.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.String())
	}
	return string(out)
}

// as makes a command run as another user, who may not see where this binary is.
func as(t testing.TB, uid uint32) func(*exec.Cmd) {
	t.Helper()
	dir, err := os.MkdirTemp("", "lodge-sockets-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	exe := dir + "/sockets.test"
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(exe, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	return func(cmd *exec.Cmd) {
		cmd.Path, cmd.Dir = exe, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
}

// listIn is Scan's table as seen from a network namespace.
func listIn(t testing.TB, space int, q Query) *Table {
	t.Helper()
	var table *Table
	err := inSpace(space, func() error {
		var err error
		table, err = List(t.Context(), q)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}
