package helper

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// netnsOf returns the cookie of the network namespace in which a client made
// its connection, so that its homes are in that namespace. Zero says that the
// kernel does not tell (before Linux 5.14).
func netnsOf(conn *net.UnixConn) uint64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var cookie uint64
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cookie, optErr = unix.GetsockoptUint64(int(fd), unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	})
	if err != nil || optErr != nil {
		return 0
	}
	return cookie
}

// openNetns returns the network namespace in which a client made its connection.
func openNetns(conn *net.UnixConn) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("find network namespace of client: %w", err)
	}
	var ns *os.File
	var ioctlErr error
	err = raw.Control(func(fd uintptr) {
		n, err := unix.IoctlRetInt(int(fd), unix.SIOCGSKNS)
		if err != nil {
			ioctlErr = os.NewSyscallError("ioctl SIOCGSKNS", err)
			return
		}
		ns = os.NewFile(uintptr(n), "netns")
	})
	if err = errors.Join(err, ioctlErr); err != nil {
		return nil, fmt.Errorf("find network namespace of client: %w", err)
	}
	return ns, nil
}
