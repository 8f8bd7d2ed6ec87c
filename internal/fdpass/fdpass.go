// Package fdpass passes open files over Unix sockets (unix(7), SCM_RIGHTS).
//
// The one rule of ownership: files that are sent stay the sender's, files that
// are received are the receiver's to close. No function here leaves a received
// descriptor open when it returns an error.
package fdpass

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// ErrTooMany says that more descriptors came than there was room for. The
// kernel has closed those beyond (recvmsg(2), MSG_CTRUNC).
var ErrTooMany = errors.New("more descriptors than expected")

// ErrTruncated says that a packet was longer than the buffer (MSG_TRUNC).
var ErrTruncated = errors.New("a packet that is too long")

// Write sends b with files on a connection, with one system call, and returns
// how much of b was written: on a stream it may be less than all, and the files
// have gone with what was. It does not change whether the files are blocking.
func Write(conn *net.UnixConn, b []byte, files []*os.File) (n int, err error) {
	if len(files) == 0 {
		return conn.Write(b)
	}
	fds := make([]int, len(files))
	for i, f := range files {
		if fds[i], err = number(f); err != nil {
			return 0, fmt.Errorf("pass descriptor: %w", err)
		}
	}
	n, _, err = conn.WriteMsgUnix(b, Encode(fds...), nil)
	runtime.KeepAlive(files) // the numbers are theirs until here
	return n, err
}

// Read reads once from a connection into b, and takes at most most descriptors
// that come with it. It is not an error if there are none; at the end of a
// connection n is 0 and err is nil. With ErrTooMany and ErrTruncated n says how
// much was read, and no file is returned.
func Read(conn *net.UnixConn, b []byte, most int) (n int, files []*os.File, err error) {
	oob := make([]byte, unix.CmsgSpace(4*most))
	// The net package sets MSG_CMSG_CLOEXEC.
	n, oobn, flags, _, err := conn.ReadMsgUnix(b, oob)
	n, oobn = max(n, 0), max(oobn, 0)
	if err != nil {
		return n, nil, err
	}
	fds, err := Decode(oob[:oobn])
	if err != nil {
		return n, nil, err
	}
	for _, fd := range fds {
		files = append(files, os.NewFile(uintptr(fd), "passed"))
	}
	switch {
	case flags&unix.MSG_CTRUNC != 0 || len(files) > most:
		// There may have been room for one more than asked for, by alignment.
		return n, nil, errors.Join(fmt.Errorf("%w: %d", ErrTooMany, most), Close(files))
	case flags&unix.MSG_TRUNC != 0:
		return n, nil, errors.Join(ErrTruncated, Close(files))
	}
	return n, files, nil
}

// Encode returns the control message that passes descriptors, for a caller that
// has no net.UnixConn. Without descriptors it is empty.
func Encode(fds ...int) []byte {
	if len(fds) == 0 {
		return nil
	}
	return unix.UnixRights(fds...)
}

// Decode returns the descriptors in the control messages that recvmsg(2)
// returned. Messages of other kinds are skipped.
func Decode(oob []byte) (fds []int, err error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("read descriptors: %w", err)
	}
	for i := range messages {
		m := &messages[i]
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		some, err := unix.ParseUnixRights(m)
		if err != nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			return nil, fmt.Errorf("read descriptors: %w", err)
		}
		fds = append(fds, some...)
	}
	return fds, nil
}

// Close closes files, of which some may be nil.
func Close(files []*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// number returns a file's descriptor without making it blocking, which Fd does.
func number(f *os.File) (int, error) {
	c, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = c.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}
