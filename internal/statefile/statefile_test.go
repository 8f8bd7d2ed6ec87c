package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// own returns a directory that only this user may list, as lodge's are.
func own(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

// odd makes what may stand in a file's place by accident.
func odd(t *testing.T) map[string]func(path string) error {
	t.Helper()
	return map[string]func(string) error{
		"directory":       func(p string) error { return os.Mkdir(p, 0o700) },
		"named pipe":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"device":          func(p string) error { return os.Symlink("/dev/null", p) },
		"terminal":        func(p string) error { return os.Symlink("/dev/ptmx", p) },
		"link to nowhere": func(p string) error { return os.Symlink(filepath.Join(p+".no", "where"), p) },
		"link to itself":  func(p string) error { return os.Symlink(p, p) },
		"socket": func(p string) error {
			fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			return errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: p}), unix.Close(fd))
		},
	}
}

func TestNothingWaits(t *testing.T) {
	for name, put := range odd(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(own(t), "f")
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if name == "link to nowhere" {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("read: %v", err)
				}
			} else if !errors.Is(err, ErrNotRegular) {
				t.Errorf("read: %v", err)
			}
			for _, flag := range []int{os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND} {
				if f, err := Open(path, flag|os.O_CREATE, 0o600); err == nil {
					t.Errorf("opened to write: %v", f.Name())
				}
			}
			f, err := Create(path, os.O_RDWR, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if fi, err := os.Lstat(path); err != nil || !fi.Mode().IsRegular() || fi.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", fi, err)
			}
			if aside, _ := filepath.Glob(path + ".aside-*"); len(aside) != 1 {
				t.Errorf("set aside: %v", aside)
			}
		})
	}
}

func TestOrdinaryFiles(t *testing.T) {
	dir := own(t)
	path := filepath.Join(dir, "f")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link") // to another disk, for example
	if err := errors.Join(os.Symlink(path, link), os.Chmod(path, 0)); err != nil {
		t.Fatal(err)
	}
	if b, err := Read(path); err != nil || string(b) != "text" {
		t.Errorf("without rights: %q, %v", b, err)
	}
	if b, err := Read(link); err != nil || string(b) != "text" {
		t.Errorf("by a link: %q, %v", b, err)
	}
	f, err := Create(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString(" more")
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "text more" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := SetAside(filepath.Join(dir, "none")); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("set aside nothing: %v", err)
	}
}

// What stands in a directory that others use is left where it is: as root,
// that could be a device.
func TestNotAsideInASharedDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "null")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path, os.O_WRONLY, 0o600); !errors.Is(err, ErrShared) {
		t.Errorf("got %v", err)
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("it was moved: %v, %v", fi, err)
	}
}
