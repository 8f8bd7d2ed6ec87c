package gather

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/procfs"
	"lodge/internal/sockets"
)

// isOrphan reports whether the process that started another has ended: its
// parent is now one that adopts such processes.
func isOrphan(p *sockets.Process) bool {
	st, err := procfs.ReadStat(p.PID)
	if err != nil {
		return false
	}
	if st.Parent <= 1 {
		return true
	}
	// A subreaper adopts, too. The parent that forks a process shares its session,
	// unless the process has made one of its own.
	own, err := unix.Getsid(p.PID)
	if err != nil {
		return false
	}
	parent, err := unix.Getsid(st.Parent)
	return err == nil && own != parent && own != p.PID
}

// isIdleHolder reports whether a process has a socket that it did not keep for
// itself (without close-on-exec) and that none of its threads waits on.
func isIdleHolder(pid int, inode uint32) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	list, err := os.ReadDir(dir + "/fd")
	if err != nil || len(list) > 256 {
		return false
	}
	var own []string
	link := fmt.Sprintf("socket:[%d]", inode)
	for _, e := range list {
		to, err := os.Readlink(dir + "/fd/" + e.Name())
		switch {
		case err != nil:
		case to == link:
			own = append(own, e.Name())
		case strings.HasPrefix(to, "anon_inode:[eventpoll]"), strings.HasPrefix(to, "anon_inode:[io_uring]"):
			return false
		}
	}
	for _, fd := range own {
		b, err := os.ReadFile(dir + "/fdinfo/" + fd)
		if err != nil || closesOnExec(string(b)) {
			return false
		}
	}
	tasks, err := os.ReadDir(dir + "/task")
	if err != nil || len(tasks) == 0 || len(tasks) > 64 || len(own) == 0 {
		return false
	}
	for _, t := range tasks {
		b, err := os.ReadFile(dir + "/task/" + t.Name() + "/syscall")
		if err != nil || !waitsElsewhere(string(b), own) {
			return false
		}
	}
	return true
}

// closesOnExec reads the flags of /proc/PID/fdinfo/FD.
func closesOnExec(s string) bool {
	for line := range strings.Lines(s) {
		if rest, ok := strings.CutPrefix(line, "flags:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(rest), 8, 32)
			return err != nil || n&unix.O_CLOEXEC != 0
		}
	}
	return true
}

// waitsElsewhere reads /proc/PID/task/TID/syscall: a number and its arguments,
// where the thread waits in a system call. It reports whether that call waits
// for something else than the given descriptors.
func waitsElsewhere(s string, own []string) bool {
	words := strings.Fields(s)
	if len(words) < 2 {
		return false // running
	}
	n, err := strconv.ParseInt(words[0], 10, 32)
	if err != nil {
		return false
	}
	switch n {
	case unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_WAIT4, unix.SYS_WAITID, unix.SYS_RT_SIGSUSPEND, unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_FUTEX:
		return true
	case unix.SYS_READ:
		fd, err := strconv.ParseUint(strings.TrimPrefix(words[1], "0x"), 16, 64)
		return err == nil && !slices.Contains(own, strconv.FormatUint(fd, 10))
	}
	return false
}

// findInherited finds the listening sockets whose holders got them from the program
// that started them, which has ended, and do not wait for connections.
func findInherited(f *facts.Facts) {
	f.Inherited = make(map[uint32]int)
	if !f.Question.HasPort && f.Unix == nil {
		return // an address may have very many sockets, and no process is shown
	}
	for i := range f.Rows {
		if pid, ok := inherited(f, &f.Rows[i]); ok {
			f.Inherited[f.Rows[i].Inode] = pid
		}
	}
}

// inherited returns the process that holds a listening socket which it only
// inherited, and false where that is not so, or not known.
func inherited(f *facts.Facts, r *sockets.Row) (int, bool) {
	if r.State != "listen" || len(r.Processes) == 0 || len(r.Processes) > 4 || f.HeldByLodge(r) != nil {
		return 0, false
	}
	var p *sockets.Process
	for _, h := range r.Processes {
		if r.OpenedAt != nil && h.StartedAt != nil && !r.OpenedAt.Before(*h.StartedAt) {
			return 0, false // it made the socket itself
		}
		if !isIdleHolder(h.PID, r.Inode) {
			return 0, false
		}
		p = h
	}
	return p.PID, r.OpenedAt != nil || isOrphan(p)
}
