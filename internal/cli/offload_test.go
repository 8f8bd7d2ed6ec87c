package cli

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
)

// runWithExec runs a command line where executing another program is exec.
func (sh *shell) runWithExec(exec func(path string, argv, environ []string) error, args ...string) (code int, stdout, stderr string) {
	sh.t.Helper()
	var files [2]*os.File
	for i, name := range []string{"stdout", "stderr"} {
		f, err := os.Create(filepath.Join(sh.base, name))
		if err != nil {
			sh.t.Fatal(err)
		}
		defer f.Close()
		files[i] = f
	}
	env := sh.environ(nil, files[0], files[1], args)
	env.Exec = exec
	code = Run(sh.t.Context(), env)
	var texts [2]string
	for i, f := range files {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			sh.t.Fatal(err)
		}
		texts[i] = string(b)
	}
	return code, texts[0], texts[1]
}

// What lodged carries out reaches it as it was written, and its exit status is that of lodge.
func TestOffloadedCommandLines(t *testing.T) {
	sh := newShell(t)
	for _, line := range []string{
		"probe 80", "probe --json -n 5 --http /x -H X-A:b -- 80", "--help=false probe -c -1 80", "probe 80 81", "probe --body @- 80",
		"trust", "trust --status --json", "trust --pem --check", "doctor --trust --json", "doctor --json --trust=true",
	} {
		args := strings.Fields(line)
		for _, status := range []int{0, 1, 2, 130} {
			var got []string
			code, stdout, stderr := sh.runWithExec(func(path string, argv, environ []string) error {
				if path != filepath.Join(sh.base, "lodged") || !slices.Equal(environ, sh.env) {
					t.Errorf("%s: executes %s in %q", line, path, environ)
				}
				got = argv
				return &kit.ExitError{Code: status}
			}, args...)
			want := append([]string{filepath.Join(sh.base, "lodged"), session.OffloadCommand}, args...)
			if code != status || stdout != "" || stderr != "" || !slices.Equal(got, want) {
				t.Errorf("%s: %d, %q, %q, executes %q", line, code, stdout, stderr, got)
			}
		}
	}
}

// Help, and errors of flags and arguments, need no other program.
func TestNotOffloaded(t *testing.T) {
	sh := newShell(t)
	for line, want := range map[string]int{
		"probe --help": 0, "help probe": 0, "trust --help": 0, "doctor --help": 0, "__complete probe --": 0,
		"probe": 2, "probe --bogus 80": 2, "probe --count many 80": 2, "trust more": 2, "trust --bogus": 2, "doctor --trust more": 2,
	} {
		code, _, stderr := sh.runWithExec(func(_ string, argv, _ []string) error {
			t.Errorf("%s: executes %q", line, argv)
			return unix.ENOENT
		}, strings.Fields(line)...)
		if code != want {
			t.Errorf("%s: %d, %q", line, code, stderr)
		}
	}
}

// Where lodged cannot be executed, the error says which file it would be.
func TestOffloadWithoutLodged(t *testing.T) {
	sh := newShell(t)
	for _, line := range []string{"probe 80", "trust --pem", "doctor --trust"} {
		code, stdout, stderr := sh.runWithExec(func(string, []string, []string) error { return unix.ENOENT }, strings.Fields(line)...)
		if code != kit.ExitNotDone || stdout != "" {
			t.Errorf("%s: %d, %q", line, code, stdout)
		}
		one(t, stderr, "start "+filepath.Join(sh.base, "lodged")+": no such file or directory", "belong into one directory")
	}
}
