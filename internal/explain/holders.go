package explain

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
	"lodge/internal/sockets"
)

// descriptors counts a process's open descriptors and returns how many it may
// have (RLIMIT_NOFILE); ok is false where that may not be read.
func descriptors(pid int) (open, limit int, ok bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	list, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return 0, 0, false
	}
	b, err := os.ReadFile(dir + "/limits")
	if err != nil {
		return 0, 0, false
	}
	limit, ok = parseOpenFiles(string(b))
	return len(list), limit, ok
}

// parseOpenFiles reads the soft limit of open files from /proc/PID/limits.
func parseOpenFiles(s string) (int, bool) {
	for line := range strings.Lines(s) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			if words := strings.Fields(rest); len(words) > 0 {
				n, err := strconv.Atoi(words[0])
				return n, err == nil
			}
		}
	}
	return 0, false
}

// outOfDescriptors tells that the holder of a full queue cannot accept, since it
// has as many descriptors as it may.
func outOfDescriptors(r *sockets.Row) string {
	for _, p := range r.Processes[:min(len(r.Processes), 4)] {
		if open, limit, ok := descriptors(p.PID); ok && open >= limit {
			return fmt.Sprintf("%s has no free descriptor: %d of %d open files (RLIMIT_NOFILE), so accept fails with EMFILE", process(p), open, limit)
		}
	}
	return ""
}

// inherited tells that the holders of a listening socket got it from the program
// that started them, which has ended, and do not wait for connections: such as a
// child that a server left behind. It is "" where that is not so, or not known.
func (f *Facts) inherited(r *sockets.Row) string {
	if r.State != "listen" || len(r.Processes) == 0 || len(r.Processes) > 4 || f.lodgeHas(r) != nil {
		return ""
	}
	var p *sockets.Process
	for _, h := range r.Processes {
		if r.OpenedAt != nil && h.StartedAt != nil && !r.OpenedAt.Before(*h.StartedAt) {
			return "" // it made the socket itself
		}
		if !isIdleHolder(h.PID, r.Inode) {
			return ""
		}
		p = h
	}
	if r.OpenedAt == nil && !f.isOrphan(p) {
		return ""
	}
	return fmt.Sprintf("%s only inherited the socket, it seems: the program that started it and that listened has ended, and %s does not wait for connections", process(p), printable(p.Name))
}

// isOrphan reports whether the process that started another has ended: its
// parent is now one that adopts such processes.
func (f *Facts) isOrphan(p *sockets.Process) bool {
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

// unseenWhy reports why no process is shown for a socket that listens, and what to
// do about it.
func (f *Facts) unseenWhy(r *sockets.Row) string {
	switch {
	case r.Unknown && f.UID != 0:
		return "it is another user's: run lodge explain as root to see which process"
	case f.UID != 0:
		return "no process that may be seen from here has it"
	case !inFirstPIDNamespace():
		return "its process is in another pid namespace (the machine's, a container's, Windows' side of WSL) and cannot be seen from this one: look there"
	}
	return "no process has it as a descriptor: either that is on its way between two processes (SCM_RIGHTS), or the socket is one of the kernel, such as for NFS or a tunnel; a process of a pid namespace that is not below this one would not be seen"
}

// inFirstPIDNamespace reports whether this process sees all others: its pid
// namespace is the first one, whose number is fixed (PROC_PID_INIT_INO).
func inFirstPIDNamespace() bool {
	to, err := os.Readlink("/proc/self/ns/pid")
	return err != nil || to == "pid:[4026531836]"
}
