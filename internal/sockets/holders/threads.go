package holders

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openThreads opens /proc/PID/task of a process of this user that has several
// threads. It is for a process whose /proc/PID/fd may not be read: that is so
// for its own user, too, when the first thread has ended and left the process to
// the others, because access is checked against the memory of the first thread,
// which it has given up (ptrace(2), "Ptrace access mode checking"). The
// descriptors of a thread that runs may be read. It returns -1 otherwise.
func openThreads(proc, pid int) int {
	path := strconv.Itoa(pid) + "/task"
	var st unix.Stat_t
	if unix.Fstatat(proc, path, &st, 0) != nil || st.Nlink <= 3 || int(st.Uid) != os.Geteuid() {
		return -1
	}
	dir, err := unix.Openat(proc, path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return dir
}

// threads looks through the descriptors of threads that do not share the
// process's: they have called unshare(CLONE_FILES), or the first thread has
// ended before them and left them its process. ended says that nothing is known
// of the first thread's. It returns false if some may not be read.
func (w *searcher) threads(fds, pid int, index uint32, ended bool) (readable bool, err error) {
	var st unix.Stat_t
	// A directory's links: its own two, and one for each thread.
	if unix.Fstatat(fds, "../task", &st, 0) != nil || st.Nlink <= 3 {
		return true, nil
	}
	dir, err := unix.Openat(fds, "../task", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return true, nil // gone
	}
	defer func() { _ = unix.Close(dir) }() // only read from
	known := pid                           // a thread whose table was read
	if ended {
		known = 0
	}
	for {
		n, err := unix.Getdents(dir, w.tasks[:])
		if n <= 0 || err != nil {
			return !ended || known != 0, nil
		}
		for b := w.tasks[:n]; ; {
			name, rest, ok := dirent(b)
			if !ok {
				break
			}
			b = rest
			tid, ok := number(name)
			if !ok || tid == int64(pid) || known != 0 && sharesFiles(known, int(tid)) {
				continue
			}
			fds, err := unix.Openat(dir, strconv.Itoa(int(tid))+"/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				if errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) {
					return false, fmt.Errorf("read descriptors of thread %d: %w", tid, err)
				}
				continue
			}
			readable := w.directory(fds, index)
			_ = unix.Close(fds) // only read from
			if !readable {
				return false, nil
			}
			if known == 0 {
				known = int(tid)
			}
		}
	}
}

// sharesFiles reports whether two threads have the same table of descriptors
// (kcmp(2)). Where the kernel does not tell, they are taken to: threads that do
// not are very rare.
func sharesFiles(a, b int) bool {
	r, _, errno := unix.RawSyscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpFiles, 0, 0, 0)
	return errno != 0 || r == 0
}

const kcmpFiles = 2 // KCMP_FILES of linux/kcmp.h
