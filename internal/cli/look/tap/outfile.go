package tap

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// outFile is a file that is written to in large pieces, and flushed once a second, so that
// it can be read while it grows. Nothing of what is there is changed before begin.
type outFile struct {
	f    *os.File
	path string
	mu   sync.Mutex // guards w
	w    *bufio.Writer
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
	o.w = bufio.NewWriterSize(o.f, 1<<20)
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
