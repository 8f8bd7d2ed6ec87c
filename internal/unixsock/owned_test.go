package unixsock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOwnedKnowsItsFile(t *testing.T) {
	path := filepath.Join(openDir(t), "s")
	one, err := ListenOwned(path)
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if !one.Intact() {
		t.Error("it does not know its own file")
	}
	if err := os.Chmod(path, 0); err != nil || !one.Intact() {
		t.Error("a mode is no other file")
	}
	if fi, err := os.Lstat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", fi, err)
	}
	if _, err := ListenOwned(path); !errors.Is(err, ErrInUse) {
		t.Errorf("a second one: %v", err)
	}
	if err := os.Remove(path); err != nil || one.Intact() {
		t.Error("it does not miss its file")
	}
	two, err := ListenOwned(path)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	if one.Intact() {
		t.Error("it takes another's file for its own")
	}
	if err := one.RemoveFile(); err != nil || !two.Intact() {
		t.Errorf("it removed its successor's file: %v", err)
	}
	if err := two.RemoveFile(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left: %v", err)
	}
	if err := two.RemoveFile(); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestOwnedSetsAsideWhatIsNoSocket(t *testing.T) {
	for name, put := range map[string]func(string) error{
		"file":      func(p string) error { return os.WriteFile(p, []byte("mine"), 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
		"pipe":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"link":      func(p string) error { return os.Symlink("/nowhere", p) },
	} {
		dir := openDir(t)
		path := filepath.Join(dir, "s")
		if err := errors.Join(os.Chmod(dir, 0o700), put(path)); err != nil {
			t.Fatal(err)
		}
		ln, err := ListenOwned(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := Dial(context.Background(), path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else {
			_ = c.Close()
		}
		_ = ln.Close()
		if aside, _ := filepath.Glob(path + ".aside-*"); len(aside) != 1 {
			t.Errorf("%s: set aside: %v", name, aside)
		}
	}
}

func TestMakeDirs(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	if err := MakeDirs(dir, 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its parent is another's to make: %v", err)
	}
	if err := MakeDirs(dir, 2); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := MakeDirs(dir, 2); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", fi, err)
	}
	if err := errors.Join(os.Remove(dir), os.WriteFile(dir, []byte("mine"), 0o600), MakeDirs(dir, 1)); err != nil {
		t.Fatal(err)
	}
	if aside, _ := filepath.Glob(dir + ".aside-*"); len(aside) != 1 {
		t.Errorf("set aside: %v", aside)
	}
	if os.Geteuid() == 0 {
		if err := errors.Join(os.Remove(dir), os.Mkdir(dir, 0o777), os.Chown(dir, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
		if err := MakeDirs(dir, 2); err == nil || err.Error() != "use directory "+dir+": it belongs to user 65534" {
			t.Errorf("another user's: %v", err)
		}
	}
}
