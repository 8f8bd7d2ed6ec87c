package tap

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// outFile is a file that is written to in large pieces, and flushed once a second, so that
// it can be read while it grows.
type outFile struct {
	f    *os.File
	mu   sync.Mutex // guards w
	w    *bufio.Writer
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
	o := &outFile{f: f, w: bufio.NewWriterSize(f, 256<<10), stop: make(chan struct{}), done: make(chan struct{}), regular: regular}
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
			o.mu.Lock()
			_ = o.w.Flush() // the next write tells
			o.mu.Unlock()
		}
	}
}

// Write implements [io.Writer].
func (o *outFile) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.w.Write(b)
	return n, cause(err)
}

// WriteParts implements [pcapfile.PartsWriter]: what is large is not copied.
func (o *outFile) WriteParts(head, data, tail []byte) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.w.Flush(); err != nil {
		return 0, cause(err)
	}
	conn, err := o.f.SyscallConn()
	if err != nil {
		return 0, cause(err)
	}
	parts := [][]byte{head, data, tail}
	whole := len(head) + len(data) + len(tail)
	werr := conn.Write(func(fd uintptr) bool {
		for n < whole {
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
	return n, cause(err)
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
	o.mu.Lock()
	defer o.mu.Unlock()
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
	err := cause(o.w.Flush())
	if cerr := o.f.Close(); err == nil {
		err = cause(cerr)
	}
	return err
}
