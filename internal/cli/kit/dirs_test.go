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
