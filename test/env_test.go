package test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

const (
	ebpf    = "ebpf"
	seccomp = "seccomp"
)

// env is one lodge of one user: a daemon of its own, because its directories
// are its own.
type env struct {
	t      *testing.T
	engine string
	uid    int
	// base is a short path below which everything of this test is.
	base           string
	runtime, state string
	// bin is the lodge program under a path of this environment's own, so that
	// every process of it can be told by its command line.
	bin string
	// environ is all of the environment that lodge commands get.
	environ []string
	// prefix is put in front of lodge commands, such as nsenter.
	prefix []string
	// netns is the name of the network namespace that lodge runs in, or "".
	netns string
	// cgroups are those that a keeper's record named at some time.
	cgroups []string
	homes   []lsProject
}

type option func(*env)

// asUser makes the seccomp tests run as a certain user, for programs that want
// one with a passwd entry.
func asUser(uid int) option {
	return func(e *env) {
		if e.engine == seccomp && os.Geteuid() == 0 {
			e.uid = uid
		}
	}
}

// nobody is a user that has a passwd entry on every Debian.
const nobody = 65534

// nextUID gives user ids that no passwd entry has, one for each environment.
var nextUID atomic.Int64

func freshUID() int {
	// The process id keeps two runs of these tests, at once or one after
	// another, from each other's processes.
	return 1<<30 + (os.Getpid()%100000)*1000 + int(nextUID.Add(1))
}

// eachEngine runs the test as root with ebpf and as an ordinary user with
// seccomp, both in parallel with other tests.
func eachEngine(t *testing.T, f func(*testing.T, *env), opts ...option) {
	t.Helper()
	t.Parallel()
	for _, engine := range []string{ebpf, seccomp} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			f(t, newEnv(t, engine, opts...))
		})
	}
}

// newEnv makes the directories, and at the test's end stops everything and
// checks that nothing is left.
func newEnv(t *testing.T, engine string, opts ...option) *env {
	t.Helper()
	e := &env{t: t, engine: engine, uid: os.Geteuid()}
	switch {
	case engine == ebpf && e.uid != 0:
		t.Skip("the ebpf engine needs root")
	case engine == seccomp && e.uid == 0:
		e.uid = freshUID()
	}
	for _, o := range opts {
		o(e)
	}
	base, err := os.MkdirTemp("", "lt")
	if err != nil {
		t.Fatal(err)
	}
	if base, err = filepath.EvalSymlinks(base); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Errorf("remove %s: %v", base, err)
		}
	})
	e.base, e.runtime, e.state = base, filepath.Join(base, "run"), filepath.Join(base, "state")
	for _, d := range []string{base, e.runtime, e.state} {
		e.mkdir(d)
	}
	e.bin = filepath.Join(base, "lodge")
	for _, program := range []string{"lodge", "lodged", "lodge-keeper", "lodge-helper"} {
		if err := os.Link(filepath.Join(filepath.Dir(lodgeBin), program), filepath.Join(base, program)); err != nil {
			t.Fatal(err)
		}
	}
	e.environ = []string{"XDG_RUNTIME_DIR=" + e.runtime, "XDG_STATE_HOME=" + e.state}
	if engine == ebpf {
		e.environ = append(e.environ, inherited()...)
	}
	t.Cleanup(e.close)
	return e
}

// inherited is what a person's terminal has, without what is this test's own.
func inherited() []string {
	return append(slices.DeleteFunc(os.Environ(), func(kv string) bool {
		return strings.HasPrefix(kv, "XDG_") || strings.HasPrefix(kv, "LODGE_") || strings.HasPrefix(kv, "PATH=") ||
			strings.HasPrefix(strings.ToLower(kv), "http_proxy=") || strings.HasPrefix(strings.ToLower(kv), "all_proxy=")
	}), "PATH="+testPath)
}

// mkdir makes a directory of the test's user.
func (e *env) mkdir(dir string) {
	e.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		e.t.Fatal(err)
	}
	e.own(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		e.t.Fatal(err)
	}
}

// own gives a file to the test's user.
func (e *env) own(path string) {
	e.t.Helper()
	if e.uid == os.Geteuid() {
		return
	}
	if err := os.Lchown(path, e.uid, e.uid); err != nil {
		e.t.Fatal(err)
	}
}

// ownTree gives a directory and all below it to the test's user.
func (e *env) ownTree(dir string) {
	e.t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		if err == nil {
			e.own(p)
		}
		return err
	})
	if err != nil {
		e.t.Fatal(err)
	}
}

// lodgeRuntime is where lodge keeps its socket.
func (e *env) lodgeRuntime() string { return filepath.Join(e.runtime, "lodge") }

func (e *env) String() string { return fmt.Sprintf("%s as user %d", e.engine, e.uid) }
