// Package nodiag takes sock_diag away from a process, by a seccomp filter like
// those of sandboxes. It is for tests of what lodge does on a kernel without it.
package nodiag

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Filter says what is refused.
type Filter struct {
	// All refuses every netlink socket, not only those of sock_diag.
	All bool
	// Errno is the answer; zero is EPROTONOSUPPORT, as of a kernel without it.
	Errno unix.Errno
}

// Offsets in struct seccomp_data (linux/seccomp.h); the arguments are 64 bits
// wide, of which the low half matters here.
const (
	dataNumber = 0
	dataArg0   = 16
	dataArg2   = 32
)

// Install sets the filter for all threads of this process, and what they start.
// An ordinary user needs no_new_privs for that, which it sets.
func (f Filter) Install() error {
	if f.Errno == 0 {
		f.Errno = unix.EPROTONOSUPPORT
	}
	low := func(at uint32) unix.SockFilter {
		if isBigEndian() {
			at += 4
		}
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: at}
	}
	// not leads to the end, where all is allowed, unless the value is k.
	not := func(k uint32, jump uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: jump}
	}
	refuse := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(f.Errno)}
	allow := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}
	number := unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: dataNumber}
	code := []unix.SockFilter{
		number, not(unix.SYS_SOCKET, 5),
		low(dataArg0), not(unix.AF_NETLINK, 3),
		low(dataArg2), not(unix.NETLINK_SOCK_DIAG, 1),
		refuse, allow,
	}
	if f.All {
		code = []unix.SockFilter{number, not(unix.SYS_SOCKET, 3), low(dataArg0), not(unix.AF_NETLINK, 1), refuse, allow}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if os.Geteuid() != 0 {
		// It is of this thread; the filter brings it to the others.
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	program := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return fmt.Errorf("set seccomp filter: %w", errno)
	}
	return nil
}

func isBigEndian() bool {
	one := uint16(1)
	return *(*byte)(unsafe.Pointer(&one)) == 0
}
