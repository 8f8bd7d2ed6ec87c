package limits

import (
	"maps"
	"testing"
)

func TestParseCounter(t *testing.T) {
	// memory.events of Linux 6.12, memory.oom_control of version 1 under 6.18,
	// pids.events of both.
	const events = "low 0\nhigh 0\nmax 1204\noom 3\noom_kill 2\noom_group_kill 0\nsock_throttled 0\n"
	const control = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n"
	for _, c := range []struct {
		file, key string
		want      uint64
		ok        bool
	}{
		{events, "oom_kill", 2, true}, {events, "oom", 3, true}, {events, "max", 1204, true}, {events, "oom_killer", 0, false},
		{control, "oom_kill", 1, true}, {"max 7\n", "max", 7, true}, {"", "max", 0, false}, {"max\n", "max", 0, false},
		{"max -1\n", "max", 0, false}, {"max 1 2\n", "max", 0, false}, {"max 99999999999999999999\n", "max", 0, false},
		{"nr_free_pages 12\noom_kill 5\n", "oom_kill", 5, true},
	} {
		if got, ok := ParseCounter([]byte(c.file), c.key); got != c.want || ok != c.ok {
			t.Errorf("%s of %q: %d, %v", c.key, c.file, got, ok)
		}
	}
}

func TestParseLimit(t *testing.T) {
	for in, want := range map[string]uint64{
		"67108864\n": 64 << 20, "20\n": 20, "0\n": 0, "max\n": 0, "": 0, "x": 0,
		"9223372036854771712\n": 0, // no limit in version 1, with pages of 4 KiB
		"9223372036854710272\n": 0, // and of 64 KiB
	} {
		got, ok := ParseLimit([]byte(in))
		if got != want && ok || ok != (want != 0 || in == "0\n") {
			t.Errorf("%q: %d, %v", in, got, ok)
		}
	}
}

func TestParsePaths(t *testing.T) {
	for in, want := range map[string]map[string]string{
		"9:name=systemd:/\n8:pids:/\n4:memory:/app/one\n2:cpu,cpuacct:/x:y\n0::/\n": {
			"name=systemd": "/", "pids": "/", "memory": "/app/one", "cpu": "/x:y", "cpuacct": "/x:y", "": "/"},
		"0::/user.slice/user-1000.slice/session-2.scope\n": {"": "/user.slice/user-1000.slice/session-2.scope"},
		"0::/gone (deleted)\n":                             {"": "/gone"},
		"0::/../../other\n":                                {"": "/../../other"},
		"nonsense\n0:x\n\n":                                {},
	} {
		if got := ParsePaths([]byte(in)); !maps.Equal(got, want) {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestParseMounts(t *testing.T) {
	const v1 = `25 21 0:22 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
30 25 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 25 0:28 /docker/abc /sys/fs/cgroup/pids\040x ro - cgroup cgroup rw,pids
32 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
33 25 0:30 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw,nsdelegate
`
	got := ParseMounts([]byte(v1))
	want := map[string]Mount{
		"memory": {"/", "/sys/fs/cgroup/memory"}, "pids": {"/docker/abc", "/sys/fs/cgroup/pids x"}, "": {"/", "/sys/fs/cgroup/unified"},
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
	const v2 = `35 24 0:30 /a/b /mnt rw - cgroup2 cgroup2 rw
29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate
40 1 0:1 broken
`
	if got := ParseMounts([]byte(v2)); !maps.Equal(got, map[string]Mount{"": {"/", "/sys/fs/cgroup"}}) {
		t.Errorf("%v", got)
	}
}

func TestBelow(t *testing.T) {
	for _, c := range []struct {
		m    Mount
		p    string
		want string
	}{
		{Mount{"/", "/c"}, "/a/b", "/c/a/b"}, {Mount{"/", "/c"}, "/", "/c"}, {Mount{"/a", "/c"}, "/a/b", "/c/b"},
		{Mount{"/a", "/c"}, "/a", "/c"}, {Mount{"/a", "/c"}, "/ab", ""}, {Mount{"/a", "/c"}, "/", ""}, {Mount{"/", "/c"}, "/../x", ""},
		{Mount{"/..", "/c"}, "/a", "/c/a"},
	} {
		if got := c.m.below(c.p); got != c.want {
			t.Errorf("%+v, %s: %q", c.m, c.p, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("0::/a\n4:memory:/x\n31 25 0:28 / /sys\\040x ro - cgroup cgroup rw,pids\noom_kill 1\n0.0 0.1 0.2 1/22 3"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseCounter(b, "oom_kill")
		ParseLimit(b)
		parseTasks(b)
		for _, p := range ParsePaths(b) {
			for _, m := range ParseMounts(b) {
				m.below(p)
			}
		}
	})
}
