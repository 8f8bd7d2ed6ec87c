package limits

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/internal/procfs"
)

// Forks reports which limit, other than that of a cgroup, a program has most
// likely reached that says it could start no process or thread, or "" where
// none is near. The kernel counts none of these.
func (l *Life) Forks() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The processes of the one that ended are gone: its user's limit cannot be
	// compared with what there was.
	if l.nproc != 0 && l.uid != 0 {
		return userLimit(l.nproc, l.uid)
	}
	return l.k.systemLimit()
}

func userLimit(n uint64, uid int) string {
	return fmt.Sprintf("RLIMIT_NPROC (ulimit -u) of user %d: %d", uid, n)
}

// systemLimit names the machine's limit of processes and threads if nine tenths
// of it are used.
func (k kernel) systemLimit() string {
	total, ok := parseTasks(k.read(k.proc + "/loadavg"))
	if !ok {
		return ""
	}
	for _, name := range []string{"threads-max", "pid_max"} {
		n, ok := ParseLimit(k.read(filepath.Join(k.proc, "sys/kernel", name)))
		if ok && total >= n/10*9 {
			return fmt.Sprintf("kernel.%s: %d", name, n)
		}
	}
	return ""
}

// parseTasks reads how many processes and threads there are, from /proc/loadavg
// (proc(5)): "0.00 0.01 0.05 1/123 4567".
func parseTasks(b []byte) (uint64, bool) {
	f := strings.Fields(string(b))
	if len(f) < 4 {
		return 0, false
	}
	_, total, ok := strings.Cut(f[3], "/")
	n, err := strconv.ParseUint(total, 10, 64)
	return n, ok && err == nil
}

// parseProcesses reads RLIMIT_NPROC, the soft one, from /proc/PID/limits
// (proc(5)); false: there is none.
func parseProcesses(b []byte) (uint64, bool) {
	for line := range strings.Lines(string(b)) {
		rest, ok := strings.CutPrefix(line, "Max processes")
		if f := strings.Fields(rest); ok && len(f) > 0 {
			n, err := strconv.ParseUint(f[0], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// Now reports which limits on the number of processes hold a running process back:
// those of its cgroups that are used up or have been, and its user's. Empty:
// none.
func Now(pid int) []string { return kernel{proc: "/proc"}.now(pid) }

func (k kernel) now(pid int) []string {
	paths := ParsePaths(k.read(k.of(pid, "cgroup")))
	groups := k.groups(paths, ParseMounts(k.read(k.proc+"/self/mountinfo")), pids)
	var out []string
	for _, g := range groups {
		n, ok := k.number(g, g.limit(pids))
		if !ok {
			continue
		}
		now, _ := k.number(g, "pids.current")
		if now >= n {
			out = append(out, fmt.Sprintf("pids.max of cgroup %s: %d, and there are %d processes and threads: it can start no other", g.name, n, now))
		}
	}
	if len(out) == 0 && len(groups) > 0 {
		if c := k.counts(groups[0], pids); c.hits > 0 {
			out = append(out, fmt.Sprintf("%s; %d forks were refused since the cgroup was made, and there is room now", k.pidsLimit(groups), c.hits))
		}
	}
	if s := k.userNow(pid); s != "" {
		out = append(out, s)
	}
	return out
}

// userNow compares RLIMIT_NPROC with the processes and threads of the user.
func (k kernel) userNow(pid int) string {
	limit, ok := parseProcesses(k.read(k.of(pid, "limits")))
	if !ok {
		return ""
	}
	if all, ok := parseTasks(k.read(k.proc + "/loadavg")); ok && all < limit {
		return "" // all of the machine's are fewer: no need to count
	}
	uid, ok := k.uid(pid)
	if !ok || uid == 0 {
		return "" // root is not held back by it
	}
	var total uint64
	dirs, _ := filepath.Glob(k.proc + "/[0-9]*") // an error is a bad pattern
	for _, d := range dirs {
		pid, err := strconv.Atoi(filepath.Base(d))
		if err != nil {
			continue
		}
		if of, ok := k.uid(pid); !ok || of != uid {
			continue
		}
		tasks, _ := filepath.Glob(d + "/task/[0-9]*")
		total += uint64(len(tasks))
	}
	if total < limit {
		return ""
	}
	return fmt.Sprintf("%s, and it has %d processes and threads: it can start no other", userLimit(limit, uid), total)
}

// uid returns the real user of a process, whose limit counts.
func (k kernel) uid(pid int) (int, bool) {
	ids, ok := procfs.ParseUserIDs(k.read(k.of(pid, "status")))
	return int(ids[0]), ok
}
