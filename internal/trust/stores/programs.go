package stores

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long a program may take: keytool starts a JVM, and Debian's
// update-ca-certificates runs openssl and hooks.
const patience = 2 * time.Minute

// programs finds the programs that change stores, and runs them.
type programs struct {
	path    string   // PATH
	environ []string // of the programs
}

// find returns the path of the first of the programs that is there; "" for none. It
// looks on the search path, and in the directories of programs for root, which the
// search path of other users does not have.
func (p programs) find(names ...string) string {
	dirs := append(filepath.SplitList(p.path), "/usr/local/sbin", "/usr/sbin", "/sbin")
	for _, name := range names {
		for _, dir := range dirs {
			if !filepath.IsAbs(dir) {
				continue
			}
			path := filepath.Join(dir, name)
			if fi, err := os.Stat(path); err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0 {
				return path
			}
		}
	}
	return ""
}

// run runs a program and returns its standard output. The program has no terminal, so
// that it cannot ask for a password and wait for ever.
func (p programs) run(ctx context.Context, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(append([]string{}, p.environ...), "LC_ALL=C")
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	said := lastLine(errOut.String())
	if said == "" {
		said = lastLine(out.String()) // keytool
	}
	if said == "" {
		return out.String(), fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	return out.String(), fmt.Errorf("%s: %w: %s", filepath.Base(program), err, said)
}

// packageCommand returns the command that installs a package, by its names on
// Debian, Fedora, Arch and openSUSE.
func (p programs) packageCommand(debian, fedora, arch, suse string) string {
	for _, c := range [][2]string{
		{"apt-get", "sudo apt-get install " + debian}, {"dnf", "sudo dnf install " + fedora},
		{"pacman", "sudo pacman -S " + arch}, {"zypper", "sudo zypper install " + suse},
	} {
		if p.find(c[0]) != "" {
			return c[1]
		}
	}
	return ""
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// replace writes a file in one step.
func replace(path string, b []byte, mode fs.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".lodge-*")
	if err != nil {
		return unpath("write", path, err)
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return unpath("write", path, err)
	}
	return nil
}

// unpath returns an error with the verb and the path, each once.
func unpath(verb, path string, err error) error {
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &pe):
		err = pe.Err
	case errors.As(err, &le):
		err = le.Err
	}
	return fmt.Errorf("%s %s: %w", verb, path, err)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// quote returns a word as a shell reads it.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+=,") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// mine returns an error if a directory is another user's: a file of root's in a user's
// profile would lock the user out of it.
func mine(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return unpath("use", dir, err)
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d: run lodge trust as that user", st.Uid)
	}
	return nil
}

// maxRead bounds what is read of a file, in bytes. The bundle of a whole system has a
// quarter of a megabyte.
const maxRead = 16 << 20

// readSmall reads a regular file of at most maxRead bytes.
func readSmall(path string) ([]byte, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() > maxRead {
		return nil, fmt.Errorf("read %s: it is no regular file of at most %d bytes", path, maxRead)
	}
	return os.ReadFile(path)
}
