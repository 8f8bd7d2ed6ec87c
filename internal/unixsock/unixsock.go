// Package unixsock opens Unix sockets in private directories: paths of any
// length, stale files, and who is at the other end. It knows no protocol.
package unixsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// maxPath is the longest path that fits in sockaddr_un with its final zero
// (unix(7)).
const maxPath = 107

// short calls f with a path of path's file that fits in a socket address.
// Longer ones go through the directory's descriptor in /proc/self/fd.
func short(path string, f func(string) error) error {
	if len(path) <= maxPath {
		return f(path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// ErrForeign says that another user listens on the socket.
var ErrForeign = errors.New("another user listens there")

// Dial connects to a stream socket on which this user or root listens. In a
// directory that anybody can make, such as one in /tmp, anybody may listen:
// that is ErrForeign.
func Dial(ctx context.Context, path string) (*net.UnixConn, error) {
	return DialUser(ctx, path, os.Geteuid())
}

// DialUser is Dial where another user may listen: for root, who looks at what
// that user runs.
func DialUser(ctx context.Context, path string, uid int) (*net.UnixConn, error) {
	var conn *net.UnixConn
	err := short(path, func(p string) error {
		c, err := connect(ctx, p)
		conn = c
		return err
	})
	if err != nil {
		return nil, err
	}
	cred, err := Peer(conn)
	if err == nil && !trusted(cred) && cred.Uid != uint32(uid) {
		err = fmt.Errorf("connect to %s: %w (user %d)", path, ErrForeign, cred.Uid)
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// ErrInUse says that a process answers on the socket already.
var ErrInUse = errors.New("somebody listens there already")

// Listen opens a stream socket for this user only, in the place of a stale one
// that no process answers on. It removes nothing that is not a socket. The caller
// removes the file when it ends.
func Listen(path string) (*net.UnixListener, error) {
	if fi, err := os.Lstat(path); err == nil {
		if fi.Mode()&os.ModeSocket == 0 {
			return nil, fmt.Errorf("listen on %s: a file that is no socket is there", path)
		}
		c, err := Dial(context.Background(), path)
		if err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("listen on %s: %w", path, ErrInUse)
		}
		if !errors.Is(err, unix.ECONNREFUSED) && !errors.Is(err, os.ErrNotExist) {
			// It may be alive: another user's, or one too busy to answer.
			return nil, fmt.Errorf("listen on %s: see who does already: %w", path, err)
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("listen on %s: %w", path, err)
		}
	}
	var ln *net.UnixListener
	err := short(path, func(p string) error {
		var err error
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: p, Net: "unix"})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	ln.SetUnlinkOnClose(false)
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), ln.Close())
	}
	return ln, nil
}

// Peer returns the other end's process and user (unix(7), SO_PEERCRED).
func Peer(c *net.UnixConn) (unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return unix.Ucred{}, err
	}
	var cred *unix.Ucred
	var cerr error
	if err := raw.Control(func(fd uintptr) {
		cred, cerr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return unix.Ucred{}, err
	}
	if cerr != nil {
		return unix.Ucred{}, os.NewSyscallError("getsockopt", cerr)
	}
	return *cred, nil
}

// SameUser reports whether the other end is this user, or root.
func SameUser(c *net.UnixConn) bool {
	cred, err := Peer(c)
	return err == nil && trusted(cred)
}

func trusted(c unix.Ucred) bool { return int(c.Uid) == os.Geteuid() || c.Uid == 0 }
