package seccomphome

import (
	"errors"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// call is one system call of a program inside, to be made on a duplicate of the
// program's socket. There is a handler for each system call: bind, connect,
// listen, sendto, sendmsg, sendmmsg, and getName for the two that ask.
type call struct {
	l *listener
	n unotify.Notification
	// s is the duplicate. A handler may put another socket in its place: see
	// replace.
	s socket.Socket
	// to is the address that the program gave, once address has read it.
	to unotify.Address
}

// answer calls the handler.
func (c *call) answer() unotify.Answer {
	switch c.n.NR {
	case unix.SYS_BIND:
		return bind(c)
	case unix.SYS_CONNECT:
		return connect(c)
	case unix.SYS_LISTEN:
		return listen(c)
	case unix.SYS_SENDTO:
		return sendto(c)
	case unix.SYS_SENDMSG:
		return sendmsg(c)
	case unix.SYS_SENDMMSG:
		return sendmmsg(c)
	case unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME:
		return getName(c)
	}
	return unotify.LetThrough
}

// fd is the program's own descriptor, the first argument of all these calls.
func (c *call) fd() int { return int(int32(c.n.Args[0])) } //nolint:gosec // a C int

// address copies the address that bind and connect were given. ok is false where
// the call is over, with the answer.
func (c *call) address() (fail unotify.Answer, ok bool) {
	var err error
	if c.to, err = unotify.ReadAddress(c.n.TID, c.n.Args[1], int32(c.n.Args[2])); err != nil { //nolint:gosec // a C int
		return unotify.Fail(unotify.Number(err)), false
	}
	if !c.valid() {
		return unotify.Fail(unix.ESRCH), false // no process is there to read it
	}
	return unotify.Answer{}, true
}

// valid reports whether the program still waits for the answer, so that what was
// read of its memory was its own.
func (c *call) valid() bool { return unotify.Valid(c.l.fd, c.n.ID) }

// notSocket answers a call whose descriptor cannot be inspected.
func (c *call) notSocket(err error) unotify.Answer {
	if c.n.NR == unix.SYS_CONNECT && errors.Is(err, unix.ENOTSOCK) { // the kernel reads the address first
		if _, bad := unotify.ReadAddress(c.n.TID, c.n.Args[1], int32(c.n.Args[2])); bad != nil { //nolint:gosec // a C int
			return unotify.Fail(unotify.Number(bad))
		}
	}
	return unotify.Fail(unotify.Number(err))
}

// replace puts another socket in the place of the program's own, with the same
// flags. On success s is the new one, and the old duplicate is closed.
func (c *call) replace(by *socket.Socket) unix.Errno {
	flags, err := unix.FcntlInt(uintptr(c.s.FD), unix.F_GETFL, 0)
	if err != nil {
		return unotify.Number(err)
	}
	if _, err := unix.FcntlInt(uintptr(by.FD), unix.F_SETFL, flags); err != nil {
		return unotify.Number(err)
	}
	own, err := unotify.DescriptorFlags(c.n.TID, c.fd())
	if err != nil {
		return unotify.Number(err)
	}
	if errno := unotify.Substitute(c.l.fd, c.n.ID, by.FD, c.fd(), own&unix.O_CLOEXEC != 0); errno != 0 {
		return errno
	}
	c.s.Close()
	if by.Cookie == 0 {
		// A failure only costs the memory of what was asked for.
		by.Cookie, _ = unix.GetsockoptUint64(by.FD, unix.SOL_SOCKET, unix.SO_COOKIE)
	}
	c.s = *by
	return 0
}

// wait leaves the call to the waiter, which answers it: see waiting.
func (c *call) wait(w *waiting) unotify.Answer {
	w.l, w.id, w.tid, w.s = c.l, c.n.ID, c.n.TID, c.s
	c.l.later.Add(1)
	c.l.h.waiter.add(w)
	return unotify.Answer{Later: true}
}
