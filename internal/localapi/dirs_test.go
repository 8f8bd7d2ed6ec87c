package localapi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const nobody = 65534

func TestDirectoriesAreMadePrivate(t *testing.T) {
	base := t.TempDir()
	d := Dirs{Runtime: filepath.Join(base, "run", "lodge"), State: filepath.Join(base, "state", "lodge")}
	if err := os.MkdirAll(d.State, 0o755); err != nil { // there already, and open
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Make(); err != nil {
			t.Fatal(err)
		}
		state := os.FileMode(0o700)
		if os.Geteuid() == 0 {
			state = 0o711
		}
		for p, mode := range map[string]os.FileMode{d.Runtime: 0o700, d.State: state} {
			if fi, err := os.Stat(p); err != nil || fi.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", p, fi.Mode(), err)
			}
		}
	}
	if got := d.Socket(); got != d.Runtime+"/lodge.sock" {
		t.Error(got)
	}
	// A link of one's own, to another disk for example, is fine.
	link := filepath.Join(base, "link")
	if err := os.Symlink(d.State, link); err != nil {
		t.Fatal(err)
	}
	if err := (Dirs{Runtime: d.Runtime, State: link}).Make(); err != nil {
		t.Error(err)
	}
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(base, "dangling")
	if err := os.Symlink(filepath.Join(base, "no", "where"), dangling); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{file, filepath.Join(file, "below"), dangling} {
		for _, d := range []Dirs{{p, filepath.Join(base, "ok")}, {filepath.Join(base, "ok"), p}} {
			if err := d.Make(); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), base) {
				t.Errorf("%+v: %v", d, err)
			}
		}
	}
}

// /tmp/lodge-1000 may be there before user 1000 is.
func TestDirectoriesOfOthersAreRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to give a directory to another user")
	}
	base := t.TempDir()
	mine := filepath.Join(base, "mine")
	theirs := filepath.Join(base, "theirs")
	theirLink := filepath.Join(base, "theirlink") // to a directory of ours
	ourLink := filepath.Join(base, "ourlink")     // to a directory of theirs
	for _, err := range []error{
		os.Mkdir(mine, 0o700), os.Mkdir(theirs, 0o777),
		os.Symlink(mine, theirLink), os.Symlink(theirs, ourLink),
		os.Chown(theirs, nobody, nobody), os.Lchown(theirLink, nobody, nobody),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ok := filepath.Join(base, "ok")
	for _, p := range []string{theirs, theirLink, ourLink} {
		for _, d := range []Dirs{{p, ok}, {ok, p}} {
			if err := d.Make(); err == nil || err.Error() != "use directory "+p+": it belongs to user 65534" {
				t.Errorf("%+v: %v", d, err)
			}
		}
	}
	if fi, err := os.Stat(theirs); err != nil || fi.Mode().Perm() != 0o777&^umask(t) {
		t.Errorf("another user's directory was changed: %v, %v", fi.Mode(), err)
	}
}

// umask is what the process takes from the mode of new directories.
func umask(t *testing.T) os.FileMode {
	d := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(d, 0o777); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(d)
	if err != nil {
		t.Fatal(err)
	}
	return 0o777 &^ fi.Mode().Perm()
}
