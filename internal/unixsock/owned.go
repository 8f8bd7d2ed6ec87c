package unixsock

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"lodge/internal/statefile"
)

// Owned is a listener that knows its own file, so that it never takes another
// listener's for it.
type Owned struct {
	*net.UnixListener
	path string
	file os.FileInfo
}

// ListenOwned is [Listen] in a directory of this user's alone. What stands in the
// socket's place and is no socket is set aside, not removed.
func ListenOwned(path string) (*Owned, error) {
	if fi, err := os.Lstat(path); err == nil && fi.Mode()&os.ModeSocket == 0 {
		if _, err := statefile.SetAside(path); err != nil {
			return nil, err
		}
	}
	ln, err := Listen(path)
	if err != nil {
		return nil, err
	}
	fi, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen on %s: %w", path, err), ln.Close())
	}
	return &Owned{UnixListener: ln, path: path, file: fi}, nil
}

// Intact reports whether the path still leads to this listener, and gives this
// user the rights to it that may have been taken.
func (o *Owned) Intact() bool {
	fi, err := os.Lstat(o.path)
	if err != nil || !os.SameFile(fi, o.file) {
		return false
	}
	return fi.Mode().Perm() == 0o600 || os.Chmod(o.path, 0o600) == nil
}

// RemoveFile removes the socket's file, unless the path has become another's.
func (o *Owned) RemoveFile() error {
	if !o.Intact() {
		return nil
	}
	if err := os.Remove(o.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// MakeDirs makes the directory and at most missing-1 of its parents, private to
// this user, and sets aside a file that stands in the directory's own place. A
// parent that is missing beyond that is another program's to make.
func MakeDirs(path string, missing int) error {
	fi, err := os.Stat(path)
	if err == nil && fi.IsDir() {
		return PrivateDir(path, 0o700)
	}
	return makeDirs(path, missing, err)
}

// makeDirs is MakeDirs for a path that is no directory; err is that of stat(2).
func makeDirs(path string, missing int, err error) error {
	switch {
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		if lfi, lerr := os.Lstat(path); lerr != nil || lfi.IsDir() {
			return fmt.Errorf("use directory %s: %w", path, errors.Join(err, lerr))
		}
		if err := setAside(path); err != nil {
			return err
		}
	case isLink(path): // to nowhere
		if err := setAside(path); err != nil {
			return err
		}
	case missing > 1:
		// A parent that is there keeps its mode: root's state may be walked through.
		up := filepath.Dir(path)
		if fi, err := os.Stat(up); err != nil || !fi.IsDir() {
			if err := makeDirs(up, missing-1, err); err != nil {
				return err
			}
		}
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make directory: %w", err)
	}
	return PrivateDir(path, 0o700)
}

// setAside sets aside what stands in a directory's place, unless somebody else
// did so first.
func setAside(path string) error {
	if _, err := statefile.SetAside(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func isLink(path string) bool {
	fi, err := os.Lstat(path)
	return err == nil && fi.Mode()&os.ModeSymlink != 0
}
