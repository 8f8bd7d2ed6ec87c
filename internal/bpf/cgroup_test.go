package bpf

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestCgroupMount(t *testing.T) {
	const v1 = "33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct\n"
	for _, tc := range []struct{ name, text, want string }{
		{"hybrid", v1 + "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified"},
		{"unified", "35 24 0:30 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n", "/sys/fs/cgroup"},
		{"a part first", "1 2 0:3 /a /mnt/part rw - cgroup2 none rw\n2 2 0:3 / /mnt/whole rw - cgroup2 none rw\n", "/mnt/whole"},
		{"only a part", "1 2 0:3 /../.. /mnt/part rw - cgroup2 none rw\n", "/mnt/part"},
		{"escapes", `1 2 0:3 / /mnt/a\040b\134c\1 rw - cgroup2 none rw`, `/mnt/a b\c\1`},
	} {
		got, err := cgroupMount(strings.NewReader(tc.text))
		if err != nil || got != tc.want {
			t.Errorf("%s: %q, %v, want %q", tc.name, got, err, tc.want)
		}
	}
	for _, text := range []string{"", v1, "garbage\n", "1 2 - cgroup2\n", "1 2 0:3 / /mnt/x rw - cgroup2extra none rw\n"} {
		if got, err := cgroupMount(strings.NewReader(text)); !errors.Is(err, ErrNoCgroup2) {
			t.Errorf("%q: %q, %v, want ErrNoCgroup2", text, got, err)
		}
	}
}

func FuzzCgroupMount(f *testing.F) {
	f.Add("41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n")
	f.Add(`1 2 0:3 / /mnt/a\040b\1 rw - cgroup2 none rw`)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := cgroupMount(strings.NewReader(text))
		if got == "" && err == nil {
			t.Errorf("an empty mount point without an error")
		}
	})
}

// newCgroup makes a cgroup of this test's own.
func newCgroup(t *testing.T) *os.File {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes a cgroup")
	}
	mount, err := CgroupMount()
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
	mount, err := CgroupMount()
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
