package seccomphome

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/home/seccomphome/shim"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/loopback"
)

// The test's executable is also the shim, and the programs that it runs
// inside.
func TestMain(m *testing.M) {
	if len(os.Args) > 0 && os.Args[0] == shim.Name {
		fmt.Fprintln(os.Stderr, shim.Main(os.Args))
		os.Exit(127)
	}
	if len(os.Args) > 2 && os.Args[1] == "-program" {
		if err := programs()[os.Args[2]](os.Args[3:]); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "become subreaper:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// deadline is how long a test waits for anything.
const deadline = 30 * time.Second

var homeCount atomic.Uint32

// newHome opens a home with an address that no other test uses.
func newHome(t testing.TB, isolation loopback.Isolation, change ...func(*home.Spec)) *Home {
	t.Helper()
	if ok, reason := support.Check(); !ok {
		t.Skip("no seccomp engine here:", reason)
	}
	n := homeCount.Add(1)
	pid := os.Getpid()
	spec := home.Spec{
		ID:        fmt.Sprintf("test-%d-%d", pid, n),
		IP4:       netip.AddrFrom4([4]byte{127, byte(64 + pid>>8&63), byte(pid), byte(n%253 + 1)}),
		Isolation: isolation,
	}
	for _, f := range change {
		f(&spec)
	}
	h, err := Open(spec, "/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Kill(""); err != nil {
			t.Error(err)
		}
		reapAll(t, h)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// reapAll waits for all that ran inside.
func reapAll(t testing.TB, h *Home) {
	t.Helper()
	waitFor(t, "the end of all processes", func() bool {
		pids, err := h.Pids("")
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, h.processes.Seen()...)
		for _, pid := range pids {
			// ECHILD: it is another's child still, or reaped already.
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
		}
		return len(pids) == 0
	})
}

// waitFor asks again until it is so.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(deadline)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("waited in vain for ", what)
		}
	}
}

// inside is a program in a home.
type inside struct {
	t     testing.TB
	pid   int
	in    *os.File
	out   *bufio.Reader
	once  sync.Once
	state unix.WaitStatus
}

// start starts a program inside with its output in a pipe.
func start(t testing.TB, h *Home, service, path string, args ...string) *inside {
	t.Helper()
	p, err := tryStart(t, h, home.Command{Service: service, Path: path, Args: append([]string{filepath.Base(path)}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryStart(t testing.TB, h *Home, c home.Command) (*inside, error) {
	t.Helper()
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if c.Files == nil {
		c.Files = []*os.File{inR, outW, outW}
	}
	if c.Env == nil {
		c.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent", "PYTHONUNBUFFERED=1", "LC_ALL=C.UTF-8"}
	}
	pid, err := h.Start(c)
	_ = inR.Close()
	_ = outW.Close()
	if err != nil {
		_ = inW.Close()
		_ = outR.Close()
		return nil, err
	}
	p := &inside{t: t, pid: pid, in: inW, out: bufio.NewReader(outR)}
	t.Cleanup(func() { _ = inW.Close(); _ = outR.Close() })
	return p, nil
}

// line reads the next line.
func (p *inside) line() string {
	p.t.Helper()
	s, err := p.out.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		p.t.Fatal(err)
	}
	return strings.TrimSuffix(s, "\n")
}

func (p *inside) expect(want string) {
	p.t.Helper()
	if got := p.line(); got != want {
		p.t.Fatalf("program said %q, want %q", got, want)
	}
}

func (p *inside) say(s string) {
	p.t.Helper()
	if _, err := p.in.WriteString(s + "\n"); err != nil {
		p.t.Fatal(err)
	}
}

// wait reaps it.
func (p *inside) wait() unix.WaitStatus {
	p.t.Helper()
	p.once.Do(func() {
		for {
			_, err := unix.Wait4(p.pid, &p.state, 0, nil)
			if !errors.Is(err, unix.EINTR) {
				if err != nil {
					p.t.Fatal("wait:", err)
				}
				return
			}
		}
	})
	return p.state
}

// rest reads until the end of the output, and reaps.
func (p *inside) rest() string {
	p.t.Helper()
	b, err := io.ReadAll(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	p.wait()
	return strings.TrimSpace(string(b))
}

const python = "/usr/bin/python3"

// need skips a test by the name of the program that it lacks.
func need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("program %s is not installed", program)
	}
	return path
}

// py starts Python inside. Every script has the usual modules.
func py(t testing.TB, h *Home, service, script string, args ...string) *inside {
	t.Helper()
	need(t, python)
	return start(t, h, service, python, append([]string{"-c", pyHead + script}, args...)...)
}

const pyHead = `
import socket, sys, os, threading, time, errno, struct, signal, ctypes, select
from socket import *
def name(f, *a):
    try:
        r = f(*a)
        return 'ok' if r is None else str(r)
    except OSError as e:
        return errno.errorcode[e.errno]
def show(a): return '%s %d' % a[:2]
`

// self starts one of this file's programs.
func self(t testing.TB, h *Home, service, program string, args ...string) *inside {
	t.Helper()
	return start(t, h, service, "/proc/self/exe", append([]string{"-program", program}, args...)...)
}
