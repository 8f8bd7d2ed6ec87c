package tap

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/tap/spool"
)

// outFile is a file that is written to in large pieces, by a goroutine of its own, and once
// a second, so that it can be read while it grows.
type outFile struct {
	f    *os.File
	w    *spool.Writer
	stop chan struct{}
	done chan struct{}
	// regular reports that it is a file in which something can be written later.
	regular bool
}

const flushEvery = time.Second

// openOutFile opens a file for its owner alone: it has what programs said to each other.
// It is not emptied before it is known to be nobody else's.
func openOutFile(path string) (_ *outFile, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		if errors.Is(err, unix.ELOOP) {
			return nil, errors.New("it is a symbolic link")
		}
		return nil, cause(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	regular := st.Mode&unix.S_IFMT == unix.S_IFREG
	if regular {
		if err := claim(f, &st); err != nil {
			return nil, err
		}
	}
	o := &outFile{f: f, w: spool.New(vectors{f}), stop: make(chan struct{}), done: make(chan struct{}), regular: regular}
	go o.flushNowAndThen()
	return o, nil
}

// claim makes a regular file this run's: of its user, read by nobody else, written by no
// other run, empty.
func claim(f *os.File, st *unix.Stat_t) error {
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", st.Uid)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errors.New("another lodge tap writes it")
		}
		return os.NewSyscallError("flock", err)
	}
	if st.Mode&0o077 != 0 {
		if err := f.Chmod(0o600); err != nil {
			return cause(err)
		}
	}
	return cause(f.Truncate(0))
}

func (o *outFile) flushNowAndThen() {
	defer close(o.done)
	every := time.NewTicker(flushEvery)
	defer every.Stop()
	for {
		select {
		case <-o.stop:
			return
		case <-every.C:
			o.w.Push()
		}
	}
}

// Write implements [io.Writer]. The error may be that of an earlier call.
func (o *outFile) Write(b []byte) (int, error) {
	n, err := o.w.Write(b)
	return n, cause(err)
}

// WriteParts implements [pcapfile.PartsWriter].
func (o *outFile) WriteParts(head, data, tail []byte) (int, error) {
	n, err := o.w.WriteParts(head, data, tail)
	return n, cause(err)
}

// vectors writes parts by writev(2), without a copy.
type vectors struct{ *os.File }

// WriteParts implements [spool.PartsWriter].
func (f vectors) WriteParts(parts ...[]byte) (n int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	parts = slices.Clone(parts)
	werr := conn.Write(func(fd uintptr) bool {
		for len(parts) > 0 {
			k, errno := unix.Writev(int(fd), parts)
			switch {
			case errors.Is(errno, unix.EINTR):
				continue
			case errors.Is(errno, unix.EAGAIN):
				return false
			case errno != nil:
				err = errno
				return true
			}
			n += k
			parts = after(parts, k)
		}
		return true
	})
	if err == nil {
		err = werr
	}
	return n, err
}

// after returns what is left of parts after n bytes.
func after(parts [][]byte, n int) [][]byte {
	for len(parts) > 0 && n >= len(parts[0]) {
		n -= len(parts[0])
		parts = parts[1:]
	}
	if len(parts) > 0 {
		parts[0] = parts[0][n:]
	}
	return parts
}

// writeAt writes over what was written before.
func (o *outFile) writeAt(b []byte, at int64) error {
	err := o.w.Flush()
	if err == nil {
		_, err = o.f.WriteAt(b, at)
	}
	return cause(err)
}

// Close writes what is left.
func (o *outFile) Close() error {
	close(o.stop)
	<-o.done
	err := cause(o.w.Close())
	if cerr := o.f.Close(); err == nil {
		err = cause(cerr)
	}
	return err
}
