package relay

import (
	"os"
	"strconv"
	"syscall"

	"lodge/internal/home/feed"
	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/procfs"
)

// commandMax is how much of a command line is told.
const commandMax = 4096

// Who describes the process of a thread that waits for its connect. The caller asks
// afterwards whether it still waits, so that what was read is of this process.
func Who(tid uint32) (p feed.Process) {
	pid, err := unotify.ThreadGroup(tid)
	if err != nil {
		return p
	}
	stat, err := procfs.ReadStat(pid)
	if err != nil {
		return p
	}
	dir := "/proc/" + strconv.Itoa(pid)
	p = feed.Process{PID: pid, Start: stat.Start, Name: stat.Name}
	if fi, err := os.Stat(dir); err == nil {
		if st, ok := fi.Sys().(*syscall.Stat_t); ok {
			p.UID = st.Uid
		}
	}
	if b, err := os.ReadFile(dir + "/cmdline"); err == nil {
		p.Command = procfs.CommandLine(b[:min(len(b), commandMax)])
	}
	p.Directory, _ = os.Readlink(dir + "/cwd") // of another user's process it is not told
	return p
}
