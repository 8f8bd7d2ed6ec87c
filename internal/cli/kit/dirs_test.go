package kit

import (
	"os"
	"path/filepath"
	"testing"
)

// Whether a directory can be made is found out without making it.
func TestCanBeMade(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"":       true,
		"a":      true,
		"a/b/c":  true,
		"file":   false,
		"file/a": false,
		"link":   false,
		"link/a": false,
	} {
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		if got := canBeMade(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("made: %v, %v", list, err)
	}
}

func TestDirs(t *testing.T) {
	home := t.TempDir()
	root := os.Getuid() == 0
	for _, c := range []struct {
		name           string
		env            []string
		runtime, state string // what they end with
		root           bool   // as root only
	}{
		{"named", []string{"XDG_RUNTIME_DIR=/a", "XDG_STATE_HOME=/b", "HOME=" + home}, "/a/lodge", "/b/lodge", root},
		{"the last counts", []string{"XDG_RUNTIME_DIR=/z", "XDG_RUNTIME_DIR=/a", "XDG_STATE_HOME=/b"}, "/a/lodge", "/b/lodge", root},
		{"not absolute", []string{"XDG_RUNTIME_DIR=a", "XDG_STATE_HOME=./b", "HOME=" + home}, "/run/lodge", "/var/lib/lodge", true},
		{"not named", []string{"HOME=" + home}, "/run/lodge", "/var/lib/lodge", true},
		{"nothing at all", nil, "/run/lodge", "/var/lib/lodge", true},
	} {
		if c.root != root {
			continue
		}
		d := (&Kit{Env: Env{Environ: c.env}}).Dirs()
		if d.Runtime != c.runtime || d.State != c.state {
			t.Errorf("%s: got %+v", c.name, d)
		}
	}
	if !root {
		d := (&Kit{Env: Env{Environ: []string{"HOME=" + home}}}).Dirs()
		if d.State != filepath.Join(home, ".local/state/lodge") {
			t.Errorf("got %+v", d)
		}
	}
}
