package gather

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/limits"
	"lodge/internal/procfs"
	"lodge/internal/sockets"
)

// maxAncestors bounds the way up to pid 1.
const maxAncestors = 24

// readProcesses reads more of those that hold the sockets.
func readProcesses(f *facts.Facts) {
	for _, rows := range [][]sockets.Row{f.Serving, f.Rows, f.Elsewhere, f.There} {
		for i := range rows {
			r := &rows[i]
			list := r.Processes
			if r.Peer != nil {
				list = append(slices.Clip(list), r.Peer.Processes...)
			}
			for _, p := range list {
				if _, known := f.Processes[p.PID]; known || len(f.Processes) >= maxProcesses {
					continue
				}
				if more, ok := readProcess(p.PID, p.Start); ok {
					f.Processes[p.PID] = more
				}
			}
		}
	}
}

// readProcess reads a process's state and its ancestors. It is false if the
// process is gone, or its number is another one's by now.
func readProcess(pid int, start uint64) (facts.Process, bool) {
	st, ok := stat(pid)
	if !ok || start != 0 && st.Start != start {
		return facts.Process{}, false
	}
	out := facts.Process{State: st.State, Limits: limits.Now(pid)}
	for child, parent := st, st.Parent; parent > 0 && len(out.Ancestors) < maxAncestors; {
		up, ok := stat(parent)
		// A parent is older than its child; a younger one is another process
		// that has got the number.
		if !ok || up.Start > child.Start {
			break
		}
		a := facts.Ancestor{PID: parent, Name: up.Name}
		if b, err := os.ReadFile("/proc/" + strconv.Itoa(parent) + "/cmdline"); err == nil {
			a.Command = procfs.CommandLine(b[:min(len(b), 4<<10)])
		}
		out.Ancestors = append(out.Ancestors, a)
		child, parent = up, up.Parent
	}
	return out, true
}

func stat(pid int) (procfs.Stat, bool) {
	st, err := procfs.ReadStat(pid)
	return st, err == nil
}

// lowPorts reports whether this process may bind every port: CAP_NET_BIND_SERVICE
// in the effective set (capabilities(7)).
func lowPorts() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return os.Geteuid() == 0
	}
	return data[0].Effective&(1<<unix.CAP_NET_BIND_SERVICE) != 0
}

// inFirstPIDNamespace reports whether this process sees all others: its pid
// namespace is the first one, whose number is fixed (PROC_PID_INIT_INO).
func inFirstPIDNamespace() bool {
	to, err := os.Readlink("/proc/self/ns/pid")
	return err != nil || to == "pid:[4026531836]"
}

// findGone finds the processes that closed a socket and have ended.
func findGone(f *facts.Facts) {
	f.Gone = make(map[int]bool)
	for i := range f.Rows {
		if p := f.Rows[i].Closed; p != nil {
			if _, known := f.Gone[p.PID]; !known {
				_, runs := stat(p.PID)
				f.Gone[p.PID] = !runs
			}
		}
	}
}
