package helper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The program is checked by the path that is executed and by the one by which it
// was started.
func TestCheckProgram(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	exe, link, mine := filepath.Join(dir, "lodge-helper"), filepath.Join(dir, "link"), filepath.Join(dir, "home")
	if err := os.WriteFile(exe, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mine, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, link); err != nil {
		t.Fatal(err)
	}
	for _, started := range []string{exe, link, "", "lodge-helper"} {
		if err := checkProgram(exe, started); err != nil {
			t.Errorf("started as %q: %v", started, err)
		}
	}
	theirs := filepath.Join(mine, "lodge-helper")
	if err := os.Symlink(exe, theirs); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(mine, mallory, mallory); err != nil {
		t.Fatal(err)
	}
	err := checkProgram(exe, theirs)
	if err == nil || !strings.Contains(err.Error(), mine+" can be changed by others than root") || !strings.Contains(err.Error(), "sudo lodge setup") {
		t.Errorf("by way of a user's directory: %v", err)
	}
	if err := os.Chmod(exe, 0o775); err != nil {
		t.Fatal(err)
	}
	if err := checkProgram(exe, exe); err == nil {
		t.Error("a program that its group can write")
	}
}
