package procfs

import (
	"bytes"
	"os"
	"strconv"
)

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
	i := bytes.LastIndexByte(stat, ')')
	if i < 0 {
		return 0, false
	}
	f := bytes.Fields(stat[i+1:])
	if len(f) < 2 || len(f[0]) != 1 || f[0][0] == 'Z' || f[0][0] == 'X' {
		return 0, false
	}
	n, err := strconv.Atoi(string(f[1]))
	return n, err == nil
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

// Getenv gives a variable of a process's first environment (proc(5),
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
