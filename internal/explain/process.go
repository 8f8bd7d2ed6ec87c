package explain

import (
	"os"
	"strconv"

	"lodge/internal/limits"
	"lodge/internal/procfs"
)

// maxAncestors bounds the way up to pid 1.
const maxAncestors = 24

// readProcess reads a process's state and its ancestors. It is false if the
// process is gone, or its number is another one's by now.
func readProcess(pid int, start uint64) (ProcessFacts, bool) {
	st, ok := stat(pid)
	if !ok || start != 0 && st.Start != start {
		return ProcessFacts{}, false
	}
	facts := ProcessFacts{State: st.State, Limits: limits.Now(pid)}
	for child, parent := st, st.Parent; parent > 0 && len(facts.Ancestors) < maxAncestors; {
		up, ok := stat(parent)
		// A parent is older than its child; a younger one is another process
		// that has got the number.
		if !ok || up.Start > child.Start {
			break
		}
		a := Ancestor{PID: parent, Name: up.Name}
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/cmdline"); err == nil {
			a.Command = procfs.CommandLine(b[:min(len(b), 4<<10)])
		}
		facts.Ancestors = append(facts.Ancestors, a)
		child, parent = up, up.Parent
	}
	return facts, true
}

func stat(pid int) (procfs.Stat, bool) {
	st, err := procfs.ReadStat(pid)
	return st, err == nil
}
