package procfs

import (
	"errors"
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
