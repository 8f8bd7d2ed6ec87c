package unotify

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_X86_64
	hasX32     = true
	compatArch = unix.AUDIT_ARCH_I386
)

// compat returns the numbers of 32-bit programs, and of int $0x80
// (arch/x86/entry/syscalls/syscall_32.tbl).
func compat() calls {
	return calls{
		socketcall: 102, sendmmsg: 345, socket: 359, bind: 361, connect: 362, listen: 363,
		getsockname: 367, getpeername: 368, sendto: 369, sendmsg: 370, ioUringSetup: 425,
	}
}
