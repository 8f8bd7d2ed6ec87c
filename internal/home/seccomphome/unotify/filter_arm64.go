package unotify

import "golang.org/x/sys/unix"

const (
	auditArch  = unix.AUDIT_ARCH_AARCH64
	hasX32     = false
	compatArch = unix.AUDIT_ARCH_ARM
)

// compat returns the numbers of 32-bit programs (arch/arm/tools/syscall.tbl).
// The EABI has no socketcall.
func compat() calls {
	return calls{
		socket: 281, bind: 282, connect: 283, listen: 284, getsockname: 286, getpeername: 287,
		sendto: 290, sendmsg: 296, sendmmsg: 374, ioUringSetup: 425,
	}
}
