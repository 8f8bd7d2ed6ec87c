package unotify

import (
	"errors"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NoNewPrivs returns up set-user-ID for the calling thread and what it starts;
// without it an ordinary user may not set a filter.
func NoNewPrivs() error {
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// Install puts a filter on the calling thread and gives the descriptor on
// which its notifications arrive.
func Install(code []unix.SockFilter) (int, error) {
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	// Since Linux 5.19 a signal no longer interrupts a call that the
	// supervisor already works on, so that it is not made twice.
	for _, flags := range []uintptr{
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
		unix.SECCOMP_FILTER_FLAG_NEW_LISTENER,
	} {
		fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		runtime.KeepAlive(code)
		if errno == 0 {
			return int(fd), nil
		}
		if !errors.Is(errno, unix.EINVAL) {
			return -1, errno
		}
	}
	return -1, unix.EINVAL
}
