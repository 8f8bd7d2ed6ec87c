package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The helper is installed only where no user can replace it.
func TestSetupRefusesDirectoriesOfUsers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for name, spoil := range map[string]func(root string) error{
		"a directory above is a user's": func(root string) error {
			return os.Chown(filepath.Join(root, "usr"), 65533, 65533)
		},
		"others may write a directory above": func(root string) error {
			return os.Chmod(filepath.Join(root, "usr/local"), 0o777)
		},
		"a link leads to a user's directory": func(root string) error {
			if err := os.Mkdir(filepath.Join(root, "theirs"), 0o755); err != nil {
				return err
			}
			if err := os.Chown(filepath.Join(root, "theirs"), 65533, 65533); err != nil {
				return err
			}
			return os.Symlink("../../theirs", filepath.Join(root, "usr/local/libexec"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.MkdirAll(filepath.Join(root, "usr/local"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := spoil(root); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := newShell(t).run("setup", "--root", root)
			if code != 1 || !strings.Contains(stderr, "can be changed by others than root") {
				t.Errorf("%d, %s", code, stderr)
			}
			for _, f := range []string{"usr/local/libexec/lodge-helper", "etc/systemd/system/lodge-helper.socket", "etc/systemd/system/lodge-helper.service", "theirs/lodge-helper"} {
				if _, err := os.Stat(filepath.Join(root, f)); err == nil {
					t.Errorf("%s was written", f)
				}
			}
		})
	}
}

// What is installed is root's, and a copy.
func TestSetupInstallsACopy(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	sh := newShell(t)
	if code, _, stderr := sh.run("setup", "--root", root); code != 0 {
		t.Fatalf("%d, %s", code, stderr)
	}
	fi, err := os.Lstat(filepath.Join(root, "usr/local/libexec/lodge-helper"))
	if err != nil || !fi.Mode().IsRegular() || fi.Mode().Perm() != 0o755 {
		t.Fatalf("%v, %v", fi, err)
	}
}
