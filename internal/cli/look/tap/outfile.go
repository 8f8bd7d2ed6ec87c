package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/tap/spool"
)

// outFile is a file that is written to in large pieces, by a goroutine of its own, and once
// a second, so that it can be read while it grows. Nothing of what is there is changed
// before begin.
type outFile struct {
	f    *os.File
	path string
	w    *spool.Writer
	stop chan struct{} // nil before begin
	done chan struct{}
	// regular reports that it is a file in which something can be written later.
	regular bool
	// made reports that it was not there before.
	made bool
}

const flushEvery = time.Second

// openOutFile opens a file for its owner alone: it has what programs said to each other.
func openOutFile(path string) (_ *outFile, err error) {
	const flags = os.O_WRONLY | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_NONBLOCK
	o := &outFile{path: path, made: true}
	o.f, err = os.OpenFile(path, flags|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		o.made = false
		o.f, err = os.OpenFile(path, flags|os.O_CREATE, 0o600)
	}
	switch {
	case errors.Is(err, unix.ELOOP):
		return nil, errors.New("it is a symbolic link")
	case errors.Is(err, unix.ENXIO):
		return nil, errNoReader // open(2), or it is a socket or a device without a driver
	case err != nil:
		return nil, cause(err)
	}
	if err := o.claim(); err != nil {
		return nil, errors.Join(err, o.drop())
	}
	o.w = spool.New(vectors{o.f})
	return o, nil
}

// errNoReader is the error of a named pipe that no program reads.
var errNoReader = errors.New("no program reads it")

// claim makes a file this run's: of its user, and where it is a regular one written by no
// other run. A named pipe of another user would give that one what is written.
func (o *outFile) claim() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(o.f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d", st.Uid)
	}
	if o.regular = st.Mode&unix.S_IFMT == unix.S_IFREG; !o.regular {
		return nil
	}
	if err := unix.Flock(int(o.f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return errors.New("another lodge tap writes it")
		}
		return os.NewSyscallError("flock", err)
	}
	return nil
}

// begin empties the file, makes its owner the only one who reads it, and starts to write.
func (o *outFile) begin() error {
	if o.regular {
		if err := o.f.Chmod(0o600); err != nil {
			return cause(err)
		}
		if err := o.f.Truncate(0); err != nil {
			return cause(err)
		}
	}
	o.w.Start()
	o.stop, o.done = make(chan struct{}), make(chan struct{})
	go o.flushNowAndThen()
	return nil
}

// drop closes a file that nothing was written to, and removes one that was not there
// before.
func (o *outFile) drop() error {
	if o.stop != nil {
		close(o.stop)
		<-o.done
	}
	if o.w != nil {
		_ = o.w.Close() // what it held is not wanted
	}
	var err error
	if o.made {
		err = cause(os.Remove(o.path))
	}
	return errors.Join(err, cause(o.f.Close()))
}

// hurry bounds how long a pipe is written to from now on: its reader may have been halted.
func (o *outFile) hurry(by time.Time) {
	if !o.regular {
		_ = o.f.SetWriteDeadline(by) // a device has none, and does not wait
	}
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
