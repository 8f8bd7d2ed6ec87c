package limits

import (
	"os"
	"path"
	"path/filepath"
	"strconv"
)

// The controllers.
const (
	memory = "memory"
	pids   = "pids"
)

// group is one cgroup, as one controller has it.
type group struct {
	name string // its path in the hierarchy
	dir  string
	v1   bool
}

// kernel is where the kernel's files are: a test has its own.
type kernel struct{ proc string }

func (k kernel) read(p string) []byte {
	b, err := os.ReadFile(p)
	if err != nil {
		return nil
	}
	return b
}

func (k kernel) of(pid int, file string) string {
	return filepath.Join(k.proc, strconv.Itoa(pid), file)
}

// groups returns the cgroups of a process in which a controller counts, the
// innermost first.
func (k kernel) groups(paths map[string]string, mounts map[string]Mount, controller string) []group {
	key, v1 := controller, true
	if _, ok := mounts[key]; !ok {
		key, v1 = "", false
	}
	p, ok := paths[key]
	m, ok2 := mounts[key]
	if !ok || !ok2 {
		return nil
	}
	var out []group
	for {
		dir := m.below(p)
		if dir == "" {
			return out
		}
		g := group{name: p, dir: dir, v1: v1}
		if _, err := os.Stat(filepath.Join(dir, g.events(controller))); err == nil {
			out = append(out, g)
		}
		if p == "/" {
			return out
		}
		p = path.Dir(p)
	}
}

// events is the file that tells what happened to the cgroup.
func (g group) events(controller string) string {
	switch {
	case controller == pids:
		return "pids.events"
	case g.v1:
		return "memory.oom_control"
	}
	return "memory.events"
}

// limit is the file with the limit.
func (g group) limit(controller string) string {
	switch {
	case controller == pids:
		return "pids.max"
	case g.v1:
		return "memory.limit_in_bytes"
	}
	return "memory.max"
}

// counts are what a cgroup's files say at one moment.
type counts struct {
	kills uint64 // by the OOM killer, in the cgroup, and with version 2 below it
	// hits is how often a limit was reached, in the cgroup, and with version 2
	// below it.
	hits uint64
}

func (k kernel) counts(g group, controller string) counts {
	b := k.read(filepath.Join(g.dir, g.events(controller)))
	var c counts
	switch {
	case controller == pids:
		c.hits, _ = ParseCounter(b, "max")
	case g.v1:
		c.kills, _ = ParseCounter(b, "oom_kill")
		c.hits, _ = ParseLimit(k.read(filepath.Join(g.dir, "memory.failcnt")))
	default:
		c.kills, _ = ParseCounter(b, "oom_kill")
		c.hits, _ = ParseCounter(b, "oom")
	}
	return c
}

// number reads a limit or a use of a cgroup.
func (k kernel) number(g group, file string) (uint64, bool) {
	return ParseLimit(k.read(filepath.Join(g.dir, file)))
}
