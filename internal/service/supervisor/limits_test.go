package supervisor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/limits"
	"lodge/internal/service"
)

// TestLimitReached: a service that the kernel's OOM killer ended, and one that
// could start no process, are told as such, with the limit.
func TestLimitReached(t *testing.T) {
	// The service moves to a cgroup of its own, says so, and goes on when it may.
	moved := func(dir, then string) string {
		return fmt.Sprintf(`echo $$ > %s/cgroup.procs && echo moved; while [ ! -e go ]; do sleep 0.05; done; %s`, dir, then)
	}
	run := func(t *testing.T, script string) service.Status {
		t.Helper()
		r := newRig(t)
		r.define(r.spec("web", script, ready(service.Ready{Log: "moved"}), restarts("never")))
		r.up()
		r.write("go", "")
		return r.awaitState("web", service.Failed)
	}
	t.Run("memory", func(t *testing.T) {
		dir, name, file := cgroup(t, "memory", "memory.limit_in_bytes", "memory.max")
		write(t, filepath.Join(dir, file), fmt.Sprint(64<<20))
		for _, swap := range []string{"memory.swap.max", "memory.swappiness"} { // whichever there is
			if err := os.WriteFile(filepath.Join(dir, swap), []byte("0"), 0o600); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrPermission) {
				t.Fatal(err)
			}
		}
		st := run(t, moved(dir, "exec tail /dev/zero")) // it keeps what may be the last line
		want := fmt.Sprintf("ended with signal SIGKILL: killed by the kernel's OOM killer (%s of cgroup %s: 64 MiB)", file, name)
		if st.Reason != want || st.Signal != "SIGKILL" {
			t.Errorf("%q, signal %s; want %q", st.Reason, st.Signal, want)
		}
	})
	t.Run("memory of a child", func(t *testing.T) {
		dir, name, file := cgroup(t, "memory", "memory.limit_in_bytes", "memory.max")
		write(t, filepath.Join(dir, file), fmt.Sprint(64<<20))
		st := run(t, moved(dir, "tail /dev/zero; exit 3"))
		want := fmt.Sprintf("ended with status 3; one of its processes was killed by the kernel's OOM killer (%s of cgroup %s: 64 MiB)", file, name)
		if st.Reason != want {
			t.Errorf("%q, want %q", st.Reason, want)
		}
	})
	t.Run("processes", func(t *testing.T) {
		dir, name, file := cgroup(t, "pids", "pids.max", "pids.max")
		write(t, filepath.Join(dir, file), "4")
		st := run(t, moved(dir, "for i in 1 2 3 4 5 6; do sleep 1000 & done; exit 4"))
		// What is left over of a shell's loop depends on the shell: dash ends with 2.
		if want := fmt.Sprintf("; it could start no more processes: %s of cgroup %s: 4", file, name); !strings.HasSuffix(st.Reason, want) {
			t.Errorf("%q, want …%q", st.Reason, want)
		}
	})
	t.Run("processes of a user", func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("becoming another user needs root")
		}
		// No process that the test does not start has this user.
		st := run(t, `exec prlimit --nproc=1 setpriv --reuid 64321 --clear-groups sh -c 'echo moved; while [ ! -e go ]; do :; done; /bin/true; exit 4'`)
		if want := "; it could start no more processes: probably RLIMIT_NPROC (ulimit -u) of user 64321: 1"; !strings.HasSuffix(st.Reason, want) {
			t.Errorf("%q, want …%q", st.Reason, want)
		}
	})
	t.Run("none", func(t *testing.T) {
		st := run(t, "echo moved; while [ ! -e go ]; do sleep 0.05; done; kill -9 $$")
		if want := "ended with signal SIGKILL"; st.Reason != want {
			t.Errorf("%q, want %q", st.Reason, want)
		}
	})
}

// TestOOMText: no more is said than is known.
func TestOOMText(t *testing.T) {
	for _, c := range []struct {
		x    service.ExitStatus
		sure bool
		want string
	}{
		{service.ExitStatus{Code: 137, Signal: unix.SIGKILL}, true, ": killed by the kernel's OOM killer (memory.max)"},
		{service.ExitStatus{Code: 137, Signal: unix.SIGKILL}, false, ": probably killed by the kernel's OOM killer (memory.max)"},
		{service.ExitStatus{Code: 137}, true, "; one of its processes was killed by the kernel's OOM killer (memory.max)"},
		{service.ExitStatus{Code: 137}, false, "; one of its processes was probably killed by the kernel's OOM killer (memory.max)"},
		{service.ExitStatus{Code: 1}, false, "; meanwhile the kernel's OOM killer has killed a process, perhaps of another service (memory.max)"},
		{service.ExitStatus{Code: 134, Signal: unix.SIGABRT}, true, "; one of its processes was killed by the kernel's OOM killer (memory.max)"},
	} {
		if got := oomText(c.x, "memory.max", c.sure); got != c.want {
			t.Errorf("%+v, sure %v: %q, want %q", c.x, c.sure, got, c.want)
		}
	}
}

// TestNoFork: how programs say that they could start no process or thread, and
// what is something else.
func TestNoFork(t *testing.T) {
	for line, want := range map[string]bool{
		"sh: 0: Cannot fork": true,
		"bash: fork: retry: Resource temporarily unavailable":                                                                              true,
		"-bash: fork: Resource temporarily unavailable":                                                                                    true,
		"RuntimeError: can't start new thread":                                                                                             true,
		"BlockingIOError: [Errno 11] Resource temporarily unavailable":                                                                     true,
		"java.lang.OutOfMemoryError: unable to create native thread: possibly out of memory":                                               true,
		"java.lang.OutOfMemoryError: unable to create new native thread":                                                                   true,
		"runtime: failed to create new OS thread (have 5 already; errno=11)":                                                               true,
		"runtime/cgo: pthread_create failed: Resource temporarily unavailable":                                                             true,
		"Error: spawn /usr/bin/node EAGAIN":                                                                                                true,
		"ThreadError: can't create Thread: Resource temporarily unavailable":                                                               true,
		"fork failed: Resource temporarily unavailable (Errno::EAGAIN)":                                                                    true,
		"thread 'main' panicked: failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }": true,
		"could not fork new process for connection: Resource temporarily unavailable":                                                      true,
		"Can't save in background: fork: Resource temporarily unavailable":                                                                 true,
		"read: Resource temporarily unavailable":                                                                                           false,
		"forked worker 11":                                                                                                                 false,
		"spawned 4 workers, errno was never 12":                                                                                            false,
	} {
		if got := noFork().MatchString(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}

// cgroup makes a cgroup for one controller, of version 1 or 2, and returns its
// directory, its path in the hierarchy, and the file with the limit.
func cgroup(t *testing.T, controller, limit1, limit2 string) (dir, name, limit string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making a cgroup needs root")
	}
	read := func(p string) []byte {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	mounts, paths := limits.ParseMounts(read("/proc/self/mountinfo")), limits.ParsePaths(read("/proc/self/cgroup"))
	key, limit := controller, limit1
	if _, ok := mounts[key]; !ok {
		key, limit = "", limit2
	}
	m, ok := mounts[key]
	if !ok {
		t.Skipf("no hierarchy with the controller %s is mounted", controller)
	}
	// Below the root: with version 2 a cgroup that has processes gives its
	// controllers to none below it.
	base, parent := m.Dir, m.Root
	if key != "" {
		base, parent = filepath.Join(m.Dir, strings.TrimPrefix(paths[key], m.Root)), paths[key]
	} else if b, err := os.ReadFile(filepath.Join(base, "cgroup.subtree_control")); err != nil || !strings.Contains(string(b), controller) {
		t.Skipf("the controller %s is not given to cgroups below the root", controller)
	}
	dir, err := os.MkdirTemp(base, "lodge-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // what the test started has ended, or ends
		deadline := time.Now().Add(patience)
		for {
			err := os.Remove(dir)
			if err == nil || errors.Is(err, os.ErrNotExist) {
				return
			}
			if !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
				t.Error(err)
				return
			}
			time.Sleep(10 * time.Millisecond) // a poll with a deadline: the kernel does not tell
		}
	})
	if _, err := os.Stat(filepath.Join(dir, limit)); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join("/", parent, filepath.Base(dir)), limit
}

func write(t *testing.T, p, text string) {
	t.Helper()
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
