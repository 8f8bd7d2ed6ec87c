package taps

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOnDisk: what is no file of a disk is not probed for users, by what the machine's
// mounts say and by what the file system does where it is not among them.
func TestOnDisk(t *testing.T) {
	proc, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	if kind, err := mountedAs(proc, "/proc/self/mountinfo"); kind != "proc" || err != nil {
		t.Errorf("a file of /proc: %q, %v", kind, err)
	}
	if kind, err := mountedAs(pipe, "/proc/self/mountinfo"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a pipe: %q, %v", kind, err)
	}
	for name, f := range map[string]*os.File{"a file of /proc": proc, "a pipe": pipe} {
		var no *NotProbedError
		if err := onDisk(f); !errors.As(err, &no) || !strings.Contains(err.Error(), "file system of the kind") {
			t.Errorf("%s: %v", name, err)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	kind, err := mountedAs(file, "/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	known := kind == overlayName
	for _, k := range diskKinds {
		known = known || k.name == kind
	}
	if err := onDisk(file); (err == nil) != known {
		t.Errorf("a file on %s: %v", kind, err)
	}
}
