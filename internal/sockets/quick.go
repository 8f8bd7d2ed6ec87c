package sockets

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// A quick search ends early. To look through all descriptors of all processes
// takes time that grows with sockets that nobody asked for; but a process is
// mostly in the cgroup in which it made its socket, and those that share a
// socket are mostly parent and child.

// quickBatch is how many processes a quick search looks through before it asks
// whether it has found enough.
const quickBatch = 16

// quickly looks through processes, the likeliest first, until each wanted socket
// has a holder, and then through the relatives of those.
func (s *search) quickly(ctx context.Context) error {
	pids, err := listProcesses(s.proc)
	if err != nil {
		return err
	}
	s.order(pids)
	seen := 0
	for seen < len(pids) && !s.want.complete() {
		n := min(quickBatch, len(pids)-seen)
		if err := s.round(ctx, pids[seen:seen+n]); err != nil {
			return err
		}
		seen += n
	}
	if seen == len(pids) {
		return nil
	}
	return s.round(ctx, s.relatives(pids, pids[seen:]))
}

// order sorts processes: those in a wanted socket's cgroup first, and the
// younger ones first.
func (s *search) order(pids []int) {
	near := make(map[int]bool)
	if mount := unifiedMount(); mount != "" && len(s.cgroups) > 0 {
		ids := make(map[string]uint64)
		for _, pid := range pids {
			path := unifiedPath(pid)
			if path == "" {
				continue
			}
			id, known := ids[path]
			if !known {
				var st unix.Stat_t
				if unix.Stat(mount+path, &st) == nil {
					id = st.Ino
				}
				ids[path] = id
			}
			near[pid] = s.cgroups[id]
		}
	}
	slices.SortFunc(pids, func(a, b int) int {
		if near[a] != near[b] {
			if near[a] {
				return -1
			}
			return 1
		}
		return b - a
	})
}

// unifiedMount gives where the cgroup2 hierarchy is mounted, or "".
func unifiedMount() string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}

// unifiedPath gives a process's cgroup in the cgroup2 hierarchy (cgroups(7)),
// or "".
func unifiedPath(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cgroup")
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(b) {
		if path, ok := bytes.CutPrefix(line, []byte("0::")); ok {
			return string(bytes.TrimSuffix(path, []byte("\n")))
		}
	}
	return ""
}

// relatives gives those of rest that may share what was found: the ancestors of
// each holder, its children and theirs, and its brothers of the same name, such
// as the workers of one server.
func (s *search) relatives(all, rest []int) []int {
	stats := make(map[int]procfs.Stat, len(all))
	for _, pid := range all {
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); err == nil {
			if st, err := procfs.ParseStat(b); err == nil {
				stats[pid] = st
			}
		}
	}
	type brood struct {
		parent int
		name   string
	}
	holders, above, brothers := make(map[int]bool), make(map[int]bool), make(map[brood]bool)
	for _, p := range s.processes {
		if p == nil {
			continue
		}
		holders[p.PID] = true
		st := stats[p.PID]
		if st.Parent > 1 {
			brothers[brood{st.Parent, st.Name}] = true
		}
		for up, n := st.Parent, 0; up > 0 && n < len(all); up, n = stats[up].Parent, n+1 {
			above[up] = true
		}
	}
	var out []int
	for _, pid := range rest {
		is := above[pid] || brothers[brood{stats[pid].Parent, stats[pid].Name}]
		for up, n := pid, 0; !is && up > 1 && n < len(all); up, n = stats[up].Parent, n+1 {
			is = holders[up]
		}
		if is {
			out = append(out, pid)
		}
	}
	return out
}
