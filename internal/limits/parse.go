package limits

import (
	"bytes"
	"path"
	"strconv"
	"strings"
)

// ParseCounter reads one line of a flat keyed file of a cgroup, such as
// "oom_kill 3" of memory.events or "max 7" of pids.events.
func ParseCounter(b []byte, key string) (uint64, bool) {
	for line := range bytes.Lines(b) {
		k, v, ok := strings.Cut(strings.TrimSpace(string(line)), " ")
		if !ok || k != key {
			continue
		}
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return 0, false
		}
		return n, true
	}
	return 0, false
}

// unlimited1 is what version 1 shows for no limit: the largest number of pages
// that a counter holds, in bytes. It is less with larger pages.
const unlimited1 = 1 << 62

// ParseLimit reads a limit, such as memory.max or pids.max; false: there is
// none.
func ParseLimit(b []byte) (uint64, bool) {
	s := string(bytes.TrimSpace(b))
	if s == "max" {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n < unlimited1
}

// ParsePaths reads /proc/PID/cgroup (cgroups(7)): the path of the process in
// the hierarchy of each controller; "" is that of version 2.
func ParsePaths(b []byte) map[string]string {
	out := make(map[string]string)
	for line := range bytes.Lines(b) {
		id, rest, ok := strings.Cut(strings.TrimSuffix(string(line), "\n"), ":")
		controllers, p, ok2 := strings.Cut(rest, ":")
		if !ok || !ok2 || !strings.HasPrefix(p, "/") {
			continue
		}
		p = strings.TrimSuffix(p, " (deleted)")
		if id == "0" && controllers == "" {
			out[""] = p
			continue
		}
		for c := range strings.SplitSeq(controllers, ",") {
			out[c] = p
		}
	}
	return out
}

// Mount is where a hierarchy of cgroups is to be seen.
type Mount struct {
	// Root is the path of the cgroup that the mount shows, Dir where.
	Root, Dir string
}

// ParseMounts reads /proc/PID/mountinfo (proc(5)): where the hierarchies of the
// controllers memory and pids are mounted, and under "" version 2.
func ParseMounts(b []byte) map[string]Mount {
	out := make(map[string]Mount)
	for line := range bytes.Lines(b) {
		before, after, ok := strings.Cut(string(line), " - ")
		f, g := strings.Fields(before), strings.Fields(after)
		if !ok || len(f) < 5 || len(g) < 3 {
			continue
		}
		m := Mount{Root: unescape(f[3]), Dir: unescape(f[4])}
		add := func(key string) {
			// Of several mounts the one that shows most.
			if old, ok := out[key]; !ok || len(m.Root) < len(old.Root) {
				out[key] = m
			}
		}
		switch g[0] {
		case "cgroup2":
			add("")
		case "cgroup":
			for o := range strings.SplitSeq(g[2], ",") {
				if o == memory || o == pids {
					add(o)
				}
			}
		}
	}
	return out
}

// unescape undoes how mountinfo writes blanks and backslashes: \040.
func unescape(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				out = append(out, byte(n))
				i += 3
				continue
			}
		}
		out = append(out, s[i])
	}
	return string(out)
}

// below returns where the cgroup of a path is to be seen, or "" if it is not.
func (m Mount) below(p string) string {
	if strings.HasPrefix(p, "/..") {
		return "" // outside of this process's cgroup namespace
	}
	if m.Root == "/" || strings.HasPrefix(m.Root, "/..") {
		return path.Join(m.Dir, p)
	}
	if p == m.Root || strings.HasPrefix(p, m.Root+"/") {
		return path.Join(m.Dir, strings.TrimPrefix(p, m.Root))
	}
	return ""
}
