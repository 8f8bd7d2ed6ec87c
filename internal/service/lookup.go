package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// DefaultPath is used where the environment has no PATH, as login(1) sets it.
const DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Getenv returns the value of key in env; the last one counts.
func Getenv(env []string, key string) (string, bool) {
	for i := len(env) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(env[i], key+"="); ok {
			return v, true
		}
	}
	return "", false
}

// LookPath finds an executable as execvp(3) does, in the PATH of env, with
// names that have a slash relative to dir. The error says which PATH.
func LookPath(name, dir string, env []string) (string, error) {
	if name == "" {
		return "", errors.New("empty command")
	}
	if strings.Contains(name, "/") {
		p := name
		if !filepath.IsAbs(p) {
			p = filepath.Join(dir, p)
		}
		if _, err := executable(p); err != nil {
			return "", fmt.Errorf("%s: %w", p, err)
		}
		return p, nil
	}
	path, ok := Getenv(env, "PATH")
	if !ok || path == "" {
		path = DefaultPath
	}
	var denied string
	for _, d := range filepath.SplitList(path) {
		if d == "" {
			d = "."
		}
		if !filepath.IsAbs(d) {
			d = filepath.Join(dir, d)
		}
		p := filepath.Join(d, name)
		there, err := executable(p)
		if err == nil {
			return p, nil
		}
		if there && errors.Is(err, unix.EACCES) && denied == "" {
			denied = p
		}
	}
	if denied != "" {
		return "", fmt.Errorf("%s: permission denied (not executable)", denied)
	}
	return "", &notFound{fmt.Sprintf("command %q not found in PATH (%s)", name, path)}
}

// notFound is a command that is in no directory of PATH.
type notFound struct{ text string }

func (e *notFound) Error() string        { return e.text }
func (e *notFound) Is(target error) bool { return target == fs.ErrNotExist }

// ExecStatus returns the exit status by which a shell says that it could not run
// a command (POSIX.1, XCU 2.8.2): 127 where it was not found, and else 126.
func ExecStatus(err error) int {
	if errors.Is(err, fs.ErrNotExist) {
		return 127
	}
	return 126
}

// executable reports whether something is there, and why it cannot be run. What
// is in a directory that this user may not search is not there.
func executable(p string) (there bool, err error) {
	fi, err := os.Stat(p)
	if err != nil {
		return false, errors.Unwrap(err)
	}
	if fi.IsDir() {
		return true, errors.New("is a directory")
	}
	return true, unix.Access(p, unix.X_OK)
}

// MergeEnv puts over on top of base; a later value of a key replaces an
// earlier one in place.
func MergeEnv(base []string, over ...string) []string {
	out := make([]string, 0, len(base)+len(over))
	at := make(map[string]int, len(base)+len(over))
	for _, list := range [][]string{base, over} {
		for _, kv := range list {
			k, _, ok := strings.Cut(kv, "=")
			if !ok {
				continue
			}
			if i, seen := at[k]; seen {
				out[i] = kv
				continue
			}
			at[k] = len(out)
			out = append(out, kv)
		}
	}
	return out
}
