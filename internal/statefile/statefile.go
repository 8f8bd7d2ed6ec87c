// Package statefile opens the files that lodge keeps in its own directories.
// Anything may stand in their place by accident: a named pipe, a device, a
// directory, a symbolic link to nowhere, a file without rights. Nothing here
// waits for such a thing, and nothing removes it: it is set aside under another
// name.
//
// It does not know what is in the files.
package statefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bounded"
)

// ErrNotRegular says that something stands there that is no regular file.
var ErrNotRegular = errors.New("not a regular file")

// maxSize bounds what is read of a file, in bytes.
const maxSize = 64 << 20

// Open is os.OpenFile for a regular file. It never waits, and it gives this user
// the rights to a file of its own.
func Open(path string, flag int, perm os.FileMode) (*os.File, error) {
	// With O_NOCTTY a terminal does not become this process's own.
	const never = unix.O_NONBLOCK | unix.O_NOCTTY
	f, err := os.OpenFile(path, flag|never, perm)
	if errors.Is(err, fs.ErrPermission) && ownRegular(path) && os.Chmod(path, 0o600) == nil {
		f, err = os.OpenFile(path, flag|never, perm)
	}
	switch {
	// What opening to write gives for a named pipe, a directory, a socket or a device.
	case errors.Is(err, unix.ENXIO), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ELOOP):
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 && isLink(path):
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	case err != nil:
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func isLink(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode()&os.ModeSymlink != 0
}

func ownRegular(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode().IsRegular()
}

// Read is os.ReadFile for a regular file.
func Read(path string) ([]byte, error) {
	f, err := Open(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := bounded.ReadAll(f, maxSize)
	if large := (*bounded.TooLarge)(nil); errors.As(err, &large) {
		err = fmt.Errorf("read %s: %w", path, err)
	}
	return b, err
}

// Create opens a file that is made if it is not there. What stands in its place
// and is no regular file, or is another user's, is set aside.
func Create(path string, flag int, perm os.FileMode) (*os.File, error) {
	f, err := Open(path, flag|os.O_CREATE, perm)
	if errors.Is(err, ErrNotRegular) || errors.Is(err, fs.ErrPermission) {
		if _, aerr := SetAside(path); aerr != nil {
			return nil, errors.Join(err, aerr)
		}
		f, err = Open(path, flag|os.O_CREATE, perm)
	}
	return f, err
}

// SetAside renames what stands at path, whatever it is, and returns its new
// name. Nothing is lost, and the path is free. It does so only in a directory
// that is this user's and that others may not list, as lodge's own are: what
// stands in one that others use, such as /dev or /run, is not lodge's to move.
func SetAside(path string) (string, error) {
	if err := private(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("set aside what stands in the place of %s: %w", path, err)
	}
	aside := fmt.Sprintf("%s.aside-%s", path, time.Now().UTC().Format("20060102T150405.000000Z"))
	if err := os.Rename(path, aside); err != nil {
		var le *os.LinkError // it has both names
		if errors.As(err, &le) {
			err = le.Err
		}
		return "", fmt.Errorf("set aside what stands in the place of %s: %w", path, err)
	}
	return aside, nil
}

// ErrShared says that a directory is not this user's alone.
var ErrShared = errors.New("its directory is not this user's alone")

// private reports whether a directory is this user's and no other may list it.
func private(dir string) error {
	fi, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Geteuid() || fi.Mode().Perm()&0o066 != 0 {
		return ErrShared
	}
	return nil
}
