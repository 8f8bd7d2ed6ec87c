package test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// lodgeBin is the program under test, peerBin the small client and server of
// testdata/peer, and nodiagBin takes sock_diag from a command. All are static and readable by everyone. TestMain sets
// them; nobody else writes.
var lodgeBin, peerBin, nodiagBin string

func TestMain(m *testing.M) {
	flag.Parse()
	// What a shell's background or nohup(1) has ignored stays ignored over
	// execve(2), and lodge respects it: what is started here has it as usual.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	code, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M) (int, error) {
	// The tests mostly wait for programs, so more of them fit than there are
	// processors. A person's -parallel counts.
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", "4"); err != nil {
			return 1, err
		}
	}
	dir, err := os.MkdirTemp("", "lodge-test-bin-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return 1, err
	}
	lodgeBin, peerBin, nodiagBin = filepath.Join(dir, "lodge"), filepath.Join(dir, "peer"), filepath.Join(dir, "nodiag")
	for _, b := range [][2]string{{lodgeBin, "../cmd/lodge"}, {filepath.Join(dir, "lodged"), "../cmd/lodged"}, {filepath.Join(dir, "lodge-keeper"), "../cmd/lodge-keeper"}, {filepath.Join(dir, "lodge-helper"), "../cmd/lodge-helper"}, {peerBin, "./testdata/peer"}, {nodiagBin, "./nodiag/run"}} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", b[0], b[1])
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return 1, fmt.Errorf("build %s: %w\n%s", b[1], err, out)
		}
		if err := os.Chmod(b[0], 0o755); err != nil {
			return 1, err
		}
	}
	return m.Run(), nil
}

// need skips the test where a program is missing, and gives its path.
func need(t *testing.T, program string) string {
	t.Helper()
	for _, dir := range filepath.SplitList(testPath) {
		p := filepath.Join(dir, program)
		if fi, err := os.Stat(p); err == nil && fi.Mode()&0o111 != 0 && !fi.IsDir() {
			return p
		}
	}
	t.Skipf("program %s is missing (hint: sh test/install)", program)
	return ""
}

// testPath is where programs are looked for, and the PATH of what the tests
// start: Debian's, not the person's, whose first python3 may be another one.
const testPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// needModule skips the test where Debian's Python lacks a module.
func needModule(t *testing.T, module string) {
	t.Helper()
	python(t)
	if err := exec.Command(systemPython, "-c", "import "+module).Run(); err != nil {
		t.Skipf("python module %s is missing (hint: sh test/install)", module)
	}
}

const systemPython = "/usr/bin/python3"

// python skips the test where Debian's Python is missing, and gives its path.
func python(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(systemPython); err != nil {
		t.Skip("program python3 is missing (hint: sh test/install)")
	}
	return systemPython
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it needs root")
	}
}

// once makes a value that several tests share.
func once[T any](f func() (T, error)) func(*testing.T) T {
	g := sync.OnceValues(f)
	return func(t *testing.T) T {
		t.Helper()
		v, err := g()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
