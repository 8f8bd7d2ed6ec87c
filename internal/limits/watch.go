package limits

import (
	"fmt"
	"sync"

	"lodge/internal/show"
)

// Life is what the kernel had counted when a process started.
type Life struct {
	k   kernel
	pid int
	own string // cgroups of the process that made this

	mu       sync.Mutex // guards what follows
	paths    string     // as /proc/PID/cgroup has them
	memory   []watched
	pids     []watched
	machine  uint64 // kills by the OOM killer, on the whole machine
	counting bool   // whether the kernel tells machine
	nproc    uint64 // RLIMIT_NPROC; 0: none
	uid      int
}

// watched is a cgroup with what it had counted.
type watched struct {
	group
	before counts
}

// Begin notes what the kernel has counted so far in the cgroups of a process.
// It reads a few small files.
func Begin(pid int) *Life { return kernel{proc: "/proc"}.begin(pid) }

func (k kernel) begin(pid int) *Life {
	l := &Life{k: k, pid: pid}
	l.own = string(k.read(k.proc + "/self/cgroup"))
	l.machine, l.counting = ParseCounter(k.read(k.proc+"/vmstat"), "oom_kill")
	l.Again()
	return l
}

// Again looks whether the process has moved to other cgroups, as a program that
// starts another in a cgroup of its own makes it, and notes what these have
// counted. It is cheap where it has not.
func (l *Life) Again() {
	b := l.k.read(l.k.of(l.pid, "cgroup"))
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := parseProcesses(l.k.read(l.k.of(l.pid, "limits"))); ok {
		l.nproc = n
	}
	if uid, ok := l.k.uid(l.pid); ok {
		l.uid = uid
	}
	if len(b) == 0 || string(b) == l.paths {
		return
	}
	paths, mounts := ParsePaths(b), ParseMounts(l.k.read(l.k.proc+"/self/mountinfo"))
	if l.paths != "" && paths[memory] == "/" && paths[pids] == "/" && ParsePaths([]byte(l.paths))[memory] != "/" {
		return // it has ended: version 1 shows the root then
	}
	l.paths = string(b)
	l.memory, l.pids = l.k.watch(paths, mounts, memory), l.k.watch(paths, mounts, pids)
}

func (k kernel) watch(paths map[string]string, mounts map[string]Mount, controller string) []watched {
	var out []watched
	for _, g := range k.groups(paths, mounts, controller) {
		out = append(out, watched{g, k.counts(g, controller)})
	}
	return out
}

// Killed says by which limit the kernel's OOM killer has ended a process of
// these cgroups since Begin, such as "memory.max of cgroup /app: 64 MiB"; ""
// if it has not. sure is false where it may have been a process that has
// nothing to do with this one.
func (l *Life) Killed() (limit string, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := len(l.memory) > 0
	if known {
		in := l.memory[0]
		if l.k.counts(in.group, memory).kills <= in.before.kills {
			return "", false
		}
	}
	machine, _ := ParseCounter(l.k.read(l.k.proc+"/vmstat"), "oom_kill")
	if !known && (!l.counting || machine <= l.machine) {
		return "", false
	}
	sure = known && !l.shares(l.memory, memory)
	// The limit is that of the innermost cgroup that reached its own.
	for _, w := range l.memory {
		n, ok := l.k.number(w.group, w.limit(memory))
		if ok && l.k.counts(w.group, memory).hits > w.before.hits {
			return fmt.Sprintf("%s of cgroup %s: %s", w.limit(memory), w.name, show.Limit(n)), sure
		}
	}
	if known && l.memory[0].v1 {
		// Version 1 counts a kill only where the process was, whatever the reason.
		for _, w := range l.memory {
			if n, ok := l.k.number(w.group, w.limit(memory)); ok { // such as memory and swap together
				return fmt.Sprintf("%s of cgroup %s: %s", w.limit(memory), w.name, show.Limit(n)), false
			}
		}
	}
	return "the machine had no memory left", sure
}

// shares reports whether processes of others are in the same cgroup as this
// one: that of the process that called Begin.
func (l *Life) shares(in []watched, controller string) bool {
	own, its := ParsePaths([]byte(l.own)), ParsePaths([]byte(l.paths))
	key := controller
	if !in[0].v1 {
		key = ""
	}
	return own[key] == its[key] || in[0].name != its[key]
}

// Refused says by which limit of a cgroup forks were refused since Begin, such
// as "pids.max of cgroup /app: 20"; "" if none were. It is sure where no process
// of another service, nor of lodge's, is in that cgroup.
func (l *Life) Refused() (limit string, sure bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, w := range l.pids {
		if l.k.counts(w.group, pids).hits <= w.before.hits {
			continue
		}
		var groups []group
		for _, above := range l.pids[i:] {
			groups = append(groups, above.group)
		}
		return l.k.pidsLimit(groups), i == 0 && !l.shares(l.pids, pids)
	}
	return "", false
}

// pidsLimit names the limit that was reached. Before Linux 6.11, and with
// version 1, a refused fork is counted where the process is, and the limit may
// be that of a cgroup above: the one with the least room.
func (k kernel) pidsLimit(groups []group) string {
	found, least := "pids.max of a cgroup", ^uint64(0)
	for _, g := range groups {
		n, ok := k.number(g, g.limit(pids))
		if !ok {
			continue
		}
		now, _ := k.number(g, "pids.current")
		if room := n - min(now, n); room < least {
			found, least = fmt.Sprintf("pids.max of cgroup %s: %d", g.name, n), room
		}
	}
	return found
}
