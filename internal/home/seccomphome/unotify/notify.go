package unotify

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Notification is struct seccomp_notif (linux/seccomp.h).
type Notification struct {
	ID    uint64
	TID   uint32
	flags uint32
	NR    int32
	arch  uint32
	ip    uint64
	Args  [6]uint64
}

// Response is struct seccomp_notif_resp. errno is negative, as the kernel
// gives it to the program.
type Response struct {
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

// Receive takes the next notification. ENOENT reports that the process that
// made the call is gone.
func Receive(fd int, n *Notification) unix.Errno {
	*n = Notification{} // the kernel insists on zeroes
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// Valid reports whether the thread of a notification still waits for its answer,
// so that its process id and its memory are still its own.
func Valid(fd int, id uint64) bool {
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id)) == 0
}

// Respond answers a notification. ENOENT reports that the thread waits no more.
func Respond(fd int, r *Response) unix.Errno {
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(r))
}

// Substitute puts our descriptor src in the place of the program's descriptor
// dst, which it closes, as dup3 does.
func Substitute(fd int, id uint64, src, dst int, cloexec bool) unix.Errno {
	a := addfd{id: id, flags: unix.SECCOMP_ADDFD_FLAG_SETFD, srcfd: uint32(src), newfd: uint32(dst)}
	if cloexec {
		a.newFlags = unix.O_CLOEXEC
	}
	return ioctl(fd, unix.SECCOMP_IOCTL_NOTIF_ADDFD, unsafe.Pointer(&a))
}

// WakeSync tells the kernel (6.6 and newer) that the caller and the
// supervisor wait for each other, so that both run on one processor. Older
// kernels refuse, and are only slower.
func WakeSync(fd int) {
	// The argument is the flags themselves, not a pointer to them.
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// Answer is what a handler wants the program to see.
type Answer struct {
	Val   int64
	Errno unix.Errno
	// through lets the kernel make the call as if nothing had been there.
	through bool
	// Later reports that another goroutine answers.
	Later bool
}

// Fail is an answer with an error; 0 is success.
func Fail(errno unix.Errno) Answer { return Answer{Errno: errno} }

// LetThrough lets the kernel make the call.
var LetThrough = Answer{through: true}

// Response is the answer to the notification with an id.
func (a Answer) Response(id uint64) Response {
	r := Response{id: id}
	switch {
	case a.through:
		r.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
	case a.Errno != 0:
		r.errno = -int32(a.Errno)
	default:
		r.val = a.Val
	}
	return r
}

// Number returns the errno that err holds, EIO if it is another kind of error,
// and 0 for nil.
func Number(err error) unix.Errno {
	if err == nil {
		return 0
	}
	var errno unix.Errno
	if errors.As(err, &errno) && errno != 0 {
		return errno
	}
	return unix.EIO
}
