package hosts

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/bounded"
)

// maxSize bounds what is read of a hosts file, in bytes: lists of ten thousands
// of blocked names are usual, much more is a mistake.
const maxSize = 64 << 20

// File is a hosts file on disk. Several processes may change it at once.
type File struct {
	// Path is the file, such as /etc/hosts. It must be there.
	Path string
}

// Set replaces the owner's block; no entries removes it. The file is replaced
// in one step, with its mode and owner; where that cannot be, as with a file
// that is a mount point of its own (as in containers), it is written in place.
func (f File) Set(owner string, entries []Entry) error {
	return f.change(func(text []byte) ([]byte, error) { return Set(text, owner, entries) })
}

// Remove removes the blocks of all owners whom gone names.
func (f File) Remove(gone func(owner string) bool) error {
	return f.change(func(text []byte) ([]byte, error) {
		for _, owner := range Owners(text) {
			if !gone(owner) {
				continue
			}
			var err error
			if text, err = Set(text, owner, nil); err != nil {
				return nil, err
			}
		}
		return text, nil
	})
}

// Change replaces the text by what edit makes of it; with an error of edit
// nothing is changed. No other lodge changes the file meanwhile.
func (f File) Change(ctx context.Context, edit func([]byte) ([]byte, error)) error {
	err := f.locked(ctx, func(path string, file *os.File) error {
		text, err := bounded.ReadAll(file, maxSize)
		if err != nil {
			return err
		}
		changed, err := edit(text)
		if err != nil || bytes.Equal(text, changed) {
			return err
		}
		return write(path, file, text, changed)
	})
	if err != nil {
		return fmt.Errorf("change %s: %w", f.Path, err)
	}
	return nil
}

func (f File) change(edit func([]byte) ([]byte, error)) error {
	return f.Change(context.Background(), edit)
}

// locked calls do with the file open, while no other lodge changes it.
func (f File) locked(ctx context.Context, do func(path string, file *os.File) error) error {
	path, err := filepath.EvalSymlinks(f.Path)
	if err != nil {
		return err
	}
	// O_NONBLOCK, so that a FIFO in its place does not hold this process.
	file, err := os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	fi, err := file.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	unlock, err := lock(ctx, path)
	if err != nil {
		return err
	}
	defer unlock()
	// It may have been replaced before the lock was had.
	if file, err = os.OpenFile(path, os.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0); err != nil {
		return err
	}
	return errors.Join(do(path, file), file.Close())
}

func write(path string, file *os.File, before, after []byte) error {
	err := replace(path, file, after)
	if err == nil || !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.EXDEV) && !errors.Is(err, unix.EROFS) && !errors.Is(err, unix.EACCES) {
		return err
	}
	// A mount point, or a directory that takes no files. Half a hosts file is
	// worse than an old one: what was there comes back if it does not fit.
	if werr := overwrite(file, after); werr != nil {
		return errors.Join(werr, overwrite(file, before))
	}
	return nil
}

func replace(path string, like *os.File, data []byte) error {
	fi, err := like.Stat()
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".hosts-lodge-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after the rename, as it should
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Chmod(fi.Mode().Perm())
	}
	if st, ok := fi.Sys().(*syscall.Stat_t); ok && err == nil {
		err = tmp.Chown(int(st.Uid), int(st.Gid))
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

func overwrite(file *os.File, data []byte) error {
	if _, err := file.WriteAt(data, 0); err != nil {
		return err
	}
	if err := file.Truncate(int64(len(data))); err != nil {
		return err
	}
	return file.Sync()
}

// RemoveAll removes every block of lodge's from the hosts file at path. A file
// that is not there has none.
func RemoveAll(path string) error {
	err := File{Path: path}.Remove(func(string) bool { return true })
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}
