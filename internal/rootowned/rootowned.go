// Package rootowned checks that only root can change a program that runs as
// root, or put another one in its place.
package rootowned

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links a path may lead over, as for the kernel
// (path_resolution(7)).
const maxLinks = 40

// Error says which file or directory users other than root can change.
type Error struct {
	// Path is that file, directory or symbolic link.
	Path string
	// Reason is what is wrong with it.
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s can be changed by others than root: %s", e.Path, e.Reason)
}

// File returns an [*Error] unless path leads to a regular file which only root
// can change or replace: the file, each directory and each symbolic link on the
// way to it, as it is written and as it is resolved, belongs to root, and neither
// the group nor others may write to it. A directory with the sticky bit, in which
// only an entry's owner can rename it (unlink(2)), is good enough further up, but
// not for the file to be in. An access control list that lets more users write
// shows in the bits of the group (acl(5)).
func File(path string) error { return check("/", path, false) }

// Dir is [File] for a directory in which a file is to be put. What is missing
// from it is left out: root makes it.
func Dir(path string) error { return check("/", path, true) }

// DirBelow is [Dir] of the directories below root, which may itself be any
// user's: a directory in which a system is prepared. An absolute symbolic link,
// which would lead out of it, is an error.
func DirBelow(root, path string) error { return check(root, path, true) }

// check walks from root to path.
func check(root, path string, isDir bool) error {
	root = filepath.Clean(root)
	rel, err := filepath.Rel(root, filepath.Clean(path))
	if err != nil || !filepath.IsAbs(path) || !filepath.IsLocal(rel) {
		return fmt.Errorf("check %s: no absolute path below %s", path, root)
	}
	if root == "/" {
		if err := checkOne(root, false); err != nil {
			return err
		}
	}
	at, rest, links := root, split(rel), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			if at == root {
				continue // as in the kernel for /, and as in chroot(2)
			}
			at = filepath.Dir(at)
			continue
		}
		p := filepath.Join(at, name)
		fi, err := os.Lstat(p)
		if isDir && errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("check %s: %w", path, err)
		}
		if fi.Mode()&os.ModeSymlink == 0 {
			if err := checkOne(p, len(rest) == lastDir(isDir)); err != nil {
				return err
			}
			at = p
			continue
		}
		if err := checkOne(p, false); err != nil {
			return err
		}
		if links++; links > maxLinks {
			return fmt.Errorf("check %s: %w", path, syscall.ELOOP)
		}
		to, err := os.Readlink(p)
		if err != nil {
			return fmt.Errorf("check %s: %w", path, err)
		}
		if filepath.IsAbs(to) {
			if root != "/" {
				return fmt.Errorf("check %s: the link %s leads out of %s", path, p, root)
			}
			at = root
		}
		rest = append(split(to), rest...)
	}
	fi, err := os.Lstat(at)
	if err != nil {
		return fmt.Errorf("check %s: %w", path, err)
	}
	if isDir != fi.IsDir() || !isDir && !fi.Mode().IsRegular() {
		return fmt.Errorf("check %s: %s is a %v", path, at, fi.Mode().Type())
	}
	return nil
}

// lastDir is how many elements are left of a path where the walk is at the
// directory that the file is in.
func lastDir(isDir bool) int {
	if isDir {
		return 0
	}
	return 1
}

func split(path string) []string {
	var out []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			out = append(out, part)
		}
	}
	return out
}

// checkOne checks one element of a path. holds says that the file is in it.
func checkOne(p string, holds bool) error {
	fi, err := os.Lstat(p)
	if err != nil {
		return err
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return fmt.Errorf("check %s: its owner is unknown", p)
	case st.Uid != 0:
		return &Error{p, fmt.Sprintf("it belongs to user %d", st.Uid)}
	case fi.Mode()&os.ModeSymlink != 0 || fi.Mode().Perm()&0o022 == 0:
		return nil // a link has no rights of its own
	case fi.IsDir() && fi.Mode()&os.ModeSticky != 0 && !holds:
		return nil
	}
	return &Error{p, fmt.Sprintf("its mode is %v", fi.Mode())}
}
