package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/statefile"
	"lodge/internal/unixsock"
)

// maxKeyLog is how large the key log may become, in bytes, before it is emptied: the
// keys of some 15,000 connections. What follows it reads faster than that.
const maxKeyLog = 16 << 20

// keyLog is the file to which programs inside write the keys of their TLS connections
// (SSLKEYLOGFILE, RFC 9850), where they are asked to. Programs append whole lines to
// it (O_APPEND), any number of them at once. It is this user's alone, beside the
// keeper's record, and goes with the keeper.
type keyLog struct {
	path string
	most int64

	mu   sync.Mutex // guards what follows
	used bool       // a program was asked to write there
}

func newKeyLog(record string) *keyLog {
	return &keyLog{path: keeperapi.KeyLogPath(record), most: maxKeyLog}
}

// use returns the path for a program that is about to start, and makes the file.
func (l *keyLog) use() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.used {
		// Of a keeper before this one that was killed.
		if err := os.Remove(l.path); err != nil && !unixsock.NoPath(err) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			return "", keyLogError(err)
		}
	}
	if err := l.make(); err != nil {
		return "", keyLogError(err)
	}
	l.used = true
	return l.path, nil
}

func keyLogError(err error) error {
	return &keeperapi.Error{Message: fmt.Sprintf("make key log: %v", err), Hint: "without keylog nothing is written"}
}

// inUse returns the path, or "" where no program was asked to write there.
func (l *keyLog) inUse() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.used {
		return l.path
	}
	return ""
}

// make makes the file where it is missing, and its directory. What stands in its place
// and is not this user's file is set aside.
func (l *keyLog) make() error {
	f, err := l.open(os.O_CREATE)
	if unixsock.NoPath(err) {
		if err = unixsock.MakeDirs(filepath.Dir(l.path), 2); err == nil {
			f, err = l.open(os.O_CREATE)
		}
	}
	if errors.Is(err, statefile.ErrNotRegular) || errors.Is(err, errNotAlone) {
		if _, err = statefile.SetAside(l.path); err == nil {
			f, err = l.open(os.O_CREATE)
		}
	}
	if err != nil {
		return err
	}
	return f.Close()
}

var errNotAlone = errors.New("it is another user's file, or has another name too")

// open opens the file to write to it, readable by this user alone.
func (l *keyLog) open(flag int) (*os.File, error) {
	f, err := statefile.Open(l.path, os.O_WRONLY|unix.O_NOFOLLOW|flag, 0o600)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil {
		st, ok := fi.Sys().(*syscall.Stat_t)
		switch {
		case !ok || int(st.Uid) != os.Geteuid() || st.Nlink > 1:
			err = &fs.PathError{Op: "open", Path: l.path, Err: errNotAlone}
		case fi.Mode().Perm() != 0o600:
			err = f.Chmod(0o600) // a program made it, after it was removed
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// tend looks after the file: one that was removed is made again, since some programs
// fail without its directory, what has taken its place is set aside, since programs would
// wait for a pipe, and one that is too large is emptied. Programs that have it open go on
// at its new end.
func (l *keyLog) tend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.used {
		return
	}
	fi, err := os.Lstat(l.path)
	if err != nil {
		_ = l.make() // it is tried again
		return
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok || !fi.Mode().IsRegular() || fi.Mode().Perm() != 0o600 || int(st.Uid) != os.Geteuid() || st.Nlink != 1 {
		_ = l.make()
		return
	}
	// One that is written without O_APPEND has a hole after it was emptied.
	if min(st.Size, st.Blocks*512) <= l.most {
		return
	}
	f, err := l.open(0)
	if err != nil {
		return
	}
	_ = f.Truncate(0) // it is tried again
	_ = f.Close()
}

// remove removes the file.
func (l *keyLog) remove() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.used {
		return nil
	}
	l.used = false
	if err := os.Remove(l.path); err != nil && !unixsock.NoPath(err) {
		return fmt.Errorf("remove key log: %w", err)
	}
	return nil
}
