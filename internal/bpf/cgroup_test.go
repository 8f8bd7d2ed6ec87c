package bpf

import (
	"os"
	"testing"

	"lodge/internal/procfs"
)

// newCgroup makes a cgroup of this test's own.
func newCgroup(t *testing.T) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a cgroup")
	}
	mount, err := procfs.CgroupMount()
	if err != nil {
		t.Skip(err)
	}
	path, err := os.MkdirTemp(mount, "lodge-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	})
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dir.Close() })
	return dir
}

func TestLevel(t *testing.T) {
	dir := newCgroup(t)
	if _, err := Level(dir); err == nil {
		t.Error("this process is not below the cgroup, but there is a level")
	}
	mount, err := procfs.CgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.Open(mount)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	level, err := Level(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("level of %s: %d", mount, level)
}
