package tap

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// anyOwner is the owner of a file that was named by the user.
const anyOwner = -1

// How much of a file is read at once. What is left is read the next time: a file that
// grows faster than it is read keeps no packet waiting.
const (
	wholeFile = math.MaxInt64
	oneUpdate = 1 << 20
)

// keyFile is a key log, followed as it grows. It need not exist yet.
type keyFile struct {
	path string
	// owner is the user whose file it must be, or root's; the file must be no symbolic
	// link then. anyOwner: whatever it is.
	owner int
	// pipe says that it is read once, and may be a pipe.
	pipe bool

	file   *os.File
	lines  keyLines
	buf    []byte
	size   int64     // what was read of it
	looked time.Time // when its path was looked at last
}

var (
	errNotRegular = errors.New("it is not a regular file")
	errNotOwn     = errors.New("it is another user's file")
)

func (l *keyFile) open() error {
	flags := os.O_RDONLY
	if l.owner != anyOwner {
		// Another user may have planted it: a pipe is not waited for.
		flags |= unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY
	} else if info, err := os.Stat(l.path); err != nil {
		return err
	} else if !l.pipe && !info.Mode().IsRegular() {
		return errNotRegular // reading it would wait
	}
	f, err := os.OpenFile(l.path, flags, 0)
	if err != nil {
		return err
	}
	if err := l.check(f); err != nil {
		_ = f.Close() // nothing was read from it
		return err
	}
	l.file, l.lines, l.size, l.looked = f, keyLines{}, 0, time.Now()
	return nil
}

// check reports what is wrong with a file that is open.
func (l *keyFile) check(f *os.File) error {
	if l.owner == anyOwner {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return errNotRegular
	case !ok, int(st.Uid) != l.owner && st.Uid != 0:
		return errNotOwn
	}
	return nil
}

func (l *keyFile) close() {
	if l.file != nil {
		_ = l.file.Close() // only read from
		l.file = nil
	}
}

// read reads what was added to the file, up to most bytes.
func (l *keyFile) read(log io.Writer, most int64) error {
	if l.buf == nil {
		l.buf = make([]byte, 32<<10)
	}
	for most > 0 {
		n, err := l.file.Read(l.buf)
		l.lines.write(log, l.buf[:n])
		l.size += int64(n)
		most -= int64(n)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lookEvery is how often the path is looked at: another file may have taken it.
const lookEvery = time.Second

// update implements [keySource].
func (l *keyFile) update(log io.Writer) error {
	if l.file != nil {
		if err := l.read(log, oneUpdate); err != nil || time.Since(l.looked) < lookEvery {
			return err
		}
		l.looked = time.Now()
		if !l.replaced() {
			return nil
		}
		l.close()
	} else if l.owner != anyOwner {
		// It comes when it comes, and is not looked for at each packet.
		if time.Since(l.looked) < lookEvery {
			return nil
		}
		l.looked = time.Now()
	}
	err := l.open()
	if err == nil {
		err = l.read(log, oneUpdate)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// replaced reports whether the path names another file by now, or one that was
// emptied.
func (l *keyFile) replaced() bool {
	now, err := os.Stat(l.path)
	if err != nil {
		return false // it is gone: the open one has all that there is
	}
	had, err := l.file.Stat()
	return err != nil || !os.SameFile(now, had) || now.Size() < l.size
}

func (l *keyFile) String() string { return fmt.Sprintf("key log %s", l.path) }
