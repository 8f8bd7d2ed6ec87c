package proxy

import (
	"errors"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sending is the state of upConn.send.
type sending struct {
	head    []byte
	n       int // bytes of it that were written
	err     error
	started bool
	wait    bool // for the answer
	solo    *solo
}

// errStale is a kept connection that the service has closed, or on which it
// has said something unasked: the next request would get an answer that is not
// its own. Nothing was sent on it.
var errStale = errors.New("the service has closed the connection")

// send writes a head and, if wait is set, waits until there is something to
// read. Both are one operation for Go's runtime: a Read that came after the
// Write would first try in vain, which costs as much as looking whether a kept
// connection is still good.
func (u *upConn) send(head []byte, wait bool, alone *solo) error {
	u.sending = sending{head: head, wait: wait, solo: alone}
	err := u.raw.Read(u.step)
	s := u.sending
	u.sending.head = nil
	if err != nil {
		return err
	}
	if s.err == unix.EAGAIN || s.err == nil && s.n < len(head) { // more than the socket holds
		_, s.err = u.c.Write(head[s.n:])
	}
	return s.err
}

// write is called by the runtime at once, and again when the socket may have
// something to read.
func (u *upConn) write(fd uintptr) bool {
	s := &u.sending
	if s.started {
		return true
	}
	s.started = true
	if u.reused && !quiet(int(fd)) {
		s.err = errStale
		return true
	}
	for {
		s.n, s.err = unix.Write(int(fd), s.head)
		if s.err != unix.EINTR {
			break
		}
	}
	s.n = max(s.n, 0)
	if s.err != nil || s.n < len(s.head) || !s.wait {
		return true
	}
	return s.solo != nil && s.solo.await(fd)
}

// quiet reports whether a connection is open and nothing was said on it.
func quiet(fd int) bool {
	var b [1]byte
	// Neither waits nor allocates, as unix.Recvfrom does.
	_, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b)), 1, unix.MSG_PEEK|unix.MSG_DONTWAIT, 0, 0)
	return err == unix.EAGAIN
}
