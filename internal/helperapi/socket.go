package helperapi

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Peer returns the user and group of the process at the other end of a Unix
// socket, as they were when it connected.
func Peer(conn *net.UnixConn) (uid, gid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, fmt.Errorf("find peer's user: %w", err)
	}
	var cred *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, optErr); err != nil {
		return 0, 0, fmt.Errorf("find peer's user: %w", err)
	}
	return cred.Uid, cred.Gid, nil
}

// FromFile makes a connection of an inherited socket. It closes f.
func FromFile(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("take over socket: %w", err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("take over socket: a %s socket, not a Unix one", c.LocalAddr().Network()), c.Close())
	}
	return conn, nil
}
