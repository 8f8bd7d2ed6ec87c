package stall

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stat is /proc/PID/stat of Linux 6.18, cut after field 22, with that state.
func stat(state string) string {
	return "7 (lodge) " + state + " 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 13 0 42 1 2\n"
}

// kernel writes files as the kernel has them below a directory.
func kernel(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "MOUNT", dir)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Lines of /proc/self/mountinfo, as systemd and Docker mount them.
const mountinfo = `24 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 24 0:26 / MOUNT/v1\040freezer rw,nosuid shared:9 - cgroup cgroup rw,freezer
31 24 0:27 / MOUNT/v2 rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
`

func TestLookReadsWhatTheKernelSays(t *testing.T) {
	for name, c := range map[string]struct {
		files  map[string]string
		halted bool
		want   Halt // Freezer without the directory
		reason string
		hint   string
	}{
		"runs":           {map[string]string{"7/stat": stat("S")}, false, Halt{}, "", ""},
		"has gone":       {map[string]string{"8/stat": stat("T")}, false, Halt{}, "", ""},
		"a zombie":       {map[string]string{"7/stat": stat("Z"), "7/cgroup": "0::/a\n"}, false, Halt{}, "", ""},
		"not to be read": {map[string]string{"7/stat": "rubbish"}, false, Halt{}, "", ""},
		"stopped": {map[string]string{"7/stat": stat("T")}, true, Halt{PID: 7, State: Stopped},
			"stopped by a signal (state T)", "kill -CONT 7"},
		"traced": {map[string]string{"7/stat": stat("t"), "7/status": "Name:\tlodge\nState:\tt (tracing stop)\nTracerPid:\t101\nUid:\t0\n", "101/status": "Name:\tgdb\nTgid:\t99\nNgid:\t0\n"}, true, Halt{PID: 7, State: Traced, Tracer: 99},
			"held by a debugger, process 99 (state t)", "kill 99"},
		"traced by one that is not seen": {map[string]string{"7/stat": stat("t"), "7/status": "Name:\tlodge\nTracerPid:\t0\n"}, true, Halt{PID: 7, State: Traced},
			"held by a debugger (state t)", "detach"},
		"one thread is traced": {map[string]string{"7/stat": stat("S"), "7/task/7/stat": stat("S"), "7/task/9/stat": stat("t"), "7/status": "Name:\tx\nTracerPid:\t99\n"}, true, Halt{PID: 7, State: Traced, Tracer: 99},
			"process 99", "detach"},
		"blocked": {map[string]string{"7/stat": stat("D")}, true, Halt{PID: 7, State: Blocked},
			"(state D)", "/proc/7/stack"},
		"frozen": {map[string]string{
			"7/stat": stat("S"), "7/cgroup": "1:name=systemd:/\n0::/app/web\n", "self/mountinfo": mountinfo,
			"v2/app/web/cgroup.events": "populated 1\nfrozen 1\n", "v2/app/web/cgroup.freeze": "1\n",
		}, true, Halt{PID: 7, State: Frozen, Freezer: "v2/app/web/cgroup.freeze"}, "frozen with its cgroup", "echo 0 | tee "},
		"frozen from above": {map[string]string{
			"7/stat": stat("S"), "7/cgroup": "0::/app/web\n", "self/mountinfo": mountinfo,
			"v2/app/web/cgroup.events": "populated 1\nfrozen 1\n", "v2/app/web/cgroup.freeze": "0\n", "v2/app/cgroup.freeze": "1\n",
		}, true, Halt{PID: 7, State: Frozen, Freezer: "v2/app/cgroup.freeze"}, "v2/app", "v2/app/cgroup.freeze"},
		"not frozen": {map[string]string{
			"7/stat": stat("S"), "7/cgroup": "0::/app\n", "self/mountinfo": mountinfo,
			"v2/app/cgroup.events": "populated 1\nfrozen 0\n", "v2/app/cgroup.freeze": "0\n",
		}, false, Halt{}, "", ""},
		"frozen by version 1": {map[string]string{
			"7/stat": stat("D"), "7/cgroup": "6:devices:/x\n5:freezer:/docker/ab\n0::/\n", "self/mountinfo": mountinfo,
			"v1 freezer/docker/ab/freezer.state": "FROZEN\n",
		}, true, Halt{PID: 7, State: Frozen, Freezer: "v1 freezer/docker/ab/freezer.state"}, "frozen", "echo THAWED | tee "},
		"out of this cgroup namespace": {map[string]string{
			"7/stat": stat("S"), "7/cgroup": "0::/../x\n", "self/mountinfo": mountinfo, "x/cgroup.events": "frozen 1\n",
		}, false, Halt{}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := kernel(t, c.files)
			got, ok := machine{proc: dir}.look(7)
			if ok != c.halted {
				t.Fatalf("halted: %v, %+v", ok, got)
			}
			if !ok {
				return
			}
			if c.want.Freezer != "" {
				c.want.Freezer = filepath.Join(dir, c.want.Freezer)
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if !strings.Contains(got.Reason(), c.reason) || !strings.Contains(got.Hint(), c.hint) {
				t.Errorf("%s (hint: %s)", got.Reason(), got.Hint())
			}
		})
	}
}

func TestMountPoint(t *testing.T) {
	for _, c := range []struct{ fstype, option, want string }{
		{"cgroup2", "", "MOUNT/v2"},
		{"cgroup", "freezer", "MOUNT/v1 freezer"},
		{"cgroup", "pids", ""},
		{"nfs", "", ""},
	} {
		if got := mountPoint([]byte(mountinfo+"31 24\nrubbish - \n"), c.fstype, c.option); got != c.want {
			t.Errorf("%s %s: %q", c.fstype, c.option, got)
		}
	}
}

func FuzzLook(f *testing.F) {
	f.Add(stat("T"), "0::/a\n", mountinfo, "TracerPid:\t3\n")
	f.Fuzz(func(t *testing.T, s, cgroup, mounts, status string) {
		dir := kernel(t, map[string]string{"7/stat": s, "7/cgroup": cgroup, "self/mountinfo": mounts, "7/status": "\n" + status})
		if h, ok := (machine{proc: dir}).look(7); ok && (h.State == "" || h.Reason() == "" || h.Hint() == "") {
			t.Errorf("%+v", h)
		}
	})
}
