package procfs

import (
	"bytes"
	"errors"
	"os"
	"strconv"
)

// List returns the ids of all processes.
func List() ([]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	out := make([]int, 0, len(names))
	for _, n := range names {
		if pid, err := strconv.Atoi(n); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}

// Processes reads the stat of every process there is, zombies included.
func Processes() (map[int]Stat, error) {
	pids, err := List()
	if err != nil {
		return nil, err
	}
	out := make(map[int]Stat, len(pids))
	for _, pid := range pids {
		if s, err := ReadStat(pid); err == nil { // else it has vanished
			out[pid] = s
		}
	}
	return out, nil
}

// Children maps each process to its children, as /proc has them now. Zombies
// are left out.
func Children() (map[int][]int, error) {
	d, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	out := make(map[int][]int)
	for _, n := range names {
		pid, err := strconv.Atoi(n)
		if err != nil {
			continue
		}
		b, err := os.ReadFile("/proc/" + n + "/stat")
		if err != nil {
			continue // vanished
		}
		if ppid, ok := parent(b); ok {
			out[ppid] = append(out[ppid], pid)
		}
	}
	return out, nil
}

// parent reads field 4 of /proc/PID/stat; not ok for a zombie.
func parent(stat []byte) (int, bool) {
	s, err := ParseStat(stat)
	return s.Parent, err == nil && s.State != 'Z' && s.State != 'X'
}

// Below lists the processes below pid in a tree of Children, pid itself left
// out.
func Below(tree map[int][]int, pid int) []int {
	var out []int
	todo := append([]int(nil), tree[pid]...)
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		out = append(out, p)
		todo = append(todo, tree[p]...)
	}
	return out
}

// Getenv returns a variable of a process's first environment (proc(5),
// /proc/PID/environ), or "" where it cannot be read.
func Getenv(pid int, key string) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return ""
	}
	for kv := range bytes.SplitSeq(b, []byte{0}) {
		if v, ok := bytes.CutPrefix(kv, []byte(key+"=")); ok {
			return string(v)
		}
	}
	return ""
}
