package unixsock

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// Nobody reports whether a connection failed because no process listens at its path.
func Nobody(err error) bool { return errors.Is(err, unix.ECONNREFUSED) || NoPath(err) }

// NoPath reports whether an error says that a path leads nowhere: a part of it is
// missing, no directory, or a symbolic link that leads to itself.
func NoPath(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
