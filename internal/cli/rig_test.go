package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/offload"
	"lodge/internal/cli/session"
	"lodge/internal/daemon"
	"lodge/internal/ending"
	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/home/hostsview"
	"lodge/internal/home/seccomphome"
	"lodge/internal/keeper"
	"lodge/internal/procfs"
)

const patience = 60 * time.Second

// testVersion is that of the commands, and of the daemon that they start.
const testVersion = "v1.2.3"

// TestMain also is lodged, lodge-keeper and lodge-helper, for the command lines under test.
func TestMain(m *testing.M) {
	if os.Args[0] == hostsview.ShimName {
		fmt.Fprintln(os.Stderr, "lodge:", hostsview.ShimMain(os.Args, os.Environ()))
		os.Exit(127)
	}
	if os.Args[0] == seccomphome.ShimName {
		fmt.Fprintln(os.Stderr, seccomphome.ShimMain(os.Args))
		os.Exit(127)
	}
	os.Exit(runRole(m))
}

// runRole is the part of the program that another one was started for, or the tests.
func runRole(m *testing.M) int {
	role := ""
	switch {
	case filepath.Base(os.Args[0]) == helperapi.ProgramName:
		role = "helper"
	case len(os.Args) > 1 && (os.Args[1] == "daemon" || os.Args[1] == "keeper"):
		role = os.Args[1]
	default:
		return m.Run()
	}
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	ctx, stop := ending.Context(context.Background())
	defer stop()
	switch role {
	case "helper":
		err = helper.Main(ctx, os.Args[1:], os.Stderr)
	case "daemon":
		err = daemon.Main(ctx, daemon.Program{Args: os.Args[1:], Version: testVersion, Keeper: exe, Helper: filepath.Join(filepath.Dir(os.Args[0]), helperapi.ProgramName), Stderr: os.Stderr})
	default:
		err = keeper.Run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lodge:", err)
		return 1
	}
	return 0
}

// shell runs command lines as a person in a directory would.
type shell struct {
	t    *testing.T
	base string // has run, state and the projects
	dir  string
	env  []string
	// version is that of the commands, or "" for testVersion.
	version string
}

// newShell returns a shell with directories of its own, so a daemon of its own,
// and the project shop. At the end nothing of it may be left.
func newShell(t *testing.T) *shell {
	t.Helper()
	base, err := os.MkdirTemp("", "lc") // short: it is part of a socket's address
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, base: base, dir: filepath.Join(base, "shop"), env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + base,
		"XDG_RUNTIME_DIR=" + filepath.Join(base, "run"), "XDG_STATE_HOME=" + filepath.Join(base, "state"),
	}}
	if err := os.Mkdir(sh.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"lodged", helperapi.ProgramName} {
		if err := os.Symlink(exe, filepath.Join(base, program)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := os.Lstat(sh.socket()); err == nil {
			if code, _, stderr := sh.run("down", "--all"); code != 0 {
				t.Errorf("down --all: %d, %s", code, stderr)
			}
		}
		// With nothing up the daemon ends by itself.
		if !within(func() bool { _, err := os.Lstat(sh.socket()); return errors.Is(err, os.ErrNotExist) }) {
			t.Error("the daemon goes on")
		}
		if left, _ := filepath.Glob(filepath.Join(base, "run/lodge/k/*")); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(base, "state/lodge/daemon.log"))
			t.Logf("the daemon's log:\n%s", b)
		}
		_ = os.RemoveAll(base)
	})
	return sh
}

func (sh *shell) socket() string { return filepath.Join(sh.base, "run/lodge/lodge.sock") }

func (sh *shell) write(name, text string) {
	sh.t.Helper()
	if err := os.WriteFile(filepath.Join(sh.dir, name), []byte(text), 0o600); err != nil {
		sh.t.Fatal(err)
	}
}

// environ is what the command line runs in, its output going to the files.
func (sh *shell) environ(stdin, stdout, stderr *os.File, args []string) Env {
	version := testVersion
	if sh.version != "" {
		version = sh.version
	}
	env := Env{Args: append([]string{}, args...), Environ: sh.env, Dir: sh.dir, Stdin: stdin, Stdout: stdout, Stderr: stderr, Lodged: filepath.Join(sh.base, "lodged"), Helper: filepath.Join(sh.base, helperapi.ProgramName), Version: version}
	env.Exec = func(path string, argv, environ []string) error {
		if path != env.Lodged || len(argv) < 2 || argv[1] != session.OffloadCommand {
			return fmt.Errorf("execute %s %q: these tests are lodged for the commands that it carries out", path, argv)
		}
		lodged := env
		lodged.Args, lodged.Environ, lodged.Exec = argv[2:], environ, nil
		return &kit.ExitError{Code: offload.Run(sh.t.Context(), lodged)}
	}
	return env
}

// run returns the exit status and what was printed.
func (sh *shell) run(args ...string) (code int, stdout, stderr string) {
	return sh.runInput("", args...)
}

func (sh *shell) runInput(input string, args ...string) (code int, stdout, stderr string) {
	sh.t.Helper()
	in, err := os.CreateTemp(sh.base, "in")
	if err == nil {
		_, err = io.WriteString(in, input)
	}
	if err == nil {
		_, err = in.Seek(0, io.SeekStart)
	}
	if err != nil {
		sh.t.Fatal(err)
	}
	defer in.Close()
	var wg sync.WaitGroup
	var ends [2]*os.File
	var out [2]string
	for i := range ends {
		r, w, err := os.Pipe()
		if err != nil {
			sh.t.Fatal(err)
		}
		ends[i] = w
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer r.Close()
			b, _ := io.ReadAll(r)
			out[i] = string(b)
		}()
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	code = Run(ctx, sh.environ(in, ends[0], ends[1], args))
	_, _ = ends[0].Close(), ends[1].Close()
	wg.Wait()
	return code, out[0], out[1]
}

// ok runs what must succeed and gives what it prints.
func (sh *shell) ok(args ...string) string {
	sh.t.Helper()
	code, stdout, stderr := sh.run(args...)
	if code != 0 {
		sh.t.Fatalf("lodge %s: %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

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

func gone(pid int) bool {
	return within(func() bool {
		n, err := procfs.StartTime(pid)
		return err != nil || !procfs.Alive(pid, n)
	})
}

// one checks that an error is one line of the usual form.
func one(t *testing.T, stderr, want, hint string) {
	t.Helper()
	line, rest, ok := strings.Cut(stderr, "\n")
	if !ok || rest != "" || !strings.HasPrefix(line, "lodge: ") || !strings.Contains(line, want) {
		t.Errorf("got %q, want one line with %q", stderr, want)
	}
	if hint != "" && (!strings.Contains(line, "(hint: ") || !strings.Contains(line, hint) || !strings.HasSuffix(line, ")")) {
		t.Errorf("got %q, want the hint %q", line, hint)
	}
}
