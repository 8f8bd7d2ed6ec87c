package machine

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// limit is how long a command or a condition may take in a machine that is
// emulated, and some ten times slower than the one around it.
const limit = 4 * time.Minute

// programs returns the directory of lodge and shop; it skips the test on a
// machine that is not made for it.
func programs(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("LODGE_MACHINE")
	if dir == "" {
		t.Skip("it needs a machine of its own (make test-kernels)")
	}
	return dir
}

// user is who runs commands, with directories of its own.
type user struct {
	t    *testing.T
	uid  int
	base string
	env  []string
}

// newUser makes a user's directories. An ordinary one needs no passwd entry.
func newUser(t *testing.T, uid int) *user {
	t.Helper()
	base, err := os.MkdirTemp("", "machine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Error(err)
		}
	})
	u := &user{t: t, uid: uid, base: base}
	for _, d := range []string{"", "run", "state", "home", "tmp"} {
		u.mkdir(d)
	}
	u.env = []string{
		"HOME=" + u.path("home"), "TMPDIR=" + u.path("tmp"), "XDG_RUNTIME_DIR=" + u.path("run"), "XDG_STATE_HOME=" + u.path("state"),
		"PATH=" + os.Getenv("PATH"), "LC_ALL=C",
	}
	return u
}

func (u *user) path(name string) string { return filepath.Join(u.base, name) }

func (u *user) mkdir(name string) {
	u.t.Helper()
	if err := os.MkdirAll(u.path(name), 0o755); err != nil {
		u.t.Fatal(err)
	}
	if err := errors.Join(os.Chown(u.path(name), u.uid, u.uid), os.Chmod(u.path(name), 0o755)); err != nil {
		u.t.Fatal(err)
	}
}

// do runs a command in a directory of the user's, which must succeed, and
// returns what it prints.
func (u *user) do(dir string, argv ...string) string {
	u.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = u.path(dir), u.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.uid)}}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = limit
	u.t.Logf("%s: %s", filepath.Base(cmd.Dir), strings.Join(argv, " "))
	if err := cmd.Run(); err != nil {
		u.t.Fatalf("%s: %v\n%s\n%s", strings.Join(argv, " "), err, out.String(), errs.String())
	}
	return out.String()
}

// eventually looks again and again until what returns "", which otherwise says
// what is still missing.
func eventually(t *testing.T, what func() string) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		missing := what()
		if missing == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %s", limit, missing)
		}
		<-tick.C
	}
}
