package seccomphome

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is struct seccomp_notif (linux/seccomp.h).
type notification struct {
	id    uint64
	tid   uint32
	flags uint32
	nr    int32
	arch  uint32
	ip    uint64
	args  [6]uint64
}

// response is struct seccomp_notif_resp. errno is negative, as the kernel
// gives it to the program.
type response struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// addfd is struct seccomp_notif_addfd.
type addfd struct {
	id       uint64
	flags    uint32
	srcfd    uint32
	newfd    uint32
	newFlags uint32
}

func ioctl(fd int, request uintptr, arg unsafe.Pointer) unix.Errno {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// receive takes the next notification. ENOENT says that whoever made the call
// is gone.
func receive(fd int, n *notification) unix.Errno {
	*n = notification{} // the kernel insists on zeroes
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// valid reports whether the thread of a notification still waits for its answer,
// so that its process id and its memory are still its own.
func valid(fd int, id uint64) bool {
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == 0
}

func respond(fd int, r *response) unix.Errno {
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(r))
}

// substitute puts our descriptor src in the place of the program's descriptor
// dst, which it closes, as dup3 does.
func substitute(fd int, id uint64, src, dst int, cloexec bool) unix.Errno {
	a := addfd{id: id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, srcfd: uint32(src), newfd: uint32(dst)}
	if cloexec {
		a.newFlags = unix.O_CLOEXEC
	}
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a))
}

// wakeSync tells the kernel (6.6 and newer) that whoever asks and whoever
// answers wait for each other, so that both run on one processor. Older
// kernels refuse, and are only slower.
func wakeSync(fd int) {
	// The argument is the flags themselves, not a pointer to them.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// answer is what a handler wants the program to see.
type answer struct {
	val   int64
	errno unix.Errno
	// through lets the kernel make the call as if nothing had been there.
	through bool
	// later says that somebody else answers.
	later bool
}

func fail(errno unix.Errno) answer { return answer{errno: errno} }

var letThrough = answer{through: true}

func (a answer) response(id uint64) response {
	r := response{id: id}
	switch {
	case a.through:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case a.errno != 0:
		r.errno = -int32(a.errno)
	default:
		r.val = a.val
	}
	return r
}

// number returns the errno that err holds, EIO if it is another kind of error,
// and 0 for nil.
func number(err error) unix.Errno {
	if err == nil {
		return 0
	}
	var errno unix.Errno
	if errors.As(err, &errno) && errno != 0 {
		return errno
	}
	return unix.EIO
}
