package shim

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

// Name is argv[0] of the executable when it is to be the shim. The main
// function that sees it calls ShimMain before anything else.
const Name = "lodge-shim"

// Main puts a filter on this process and then becomes the program that
// the keeper names. It returns only if it cannot, and has told the keeper by
// then: the caller has nothing to print, only to exit with a status that is
// not 0. args is the whole argument list.
func Main(args []string) error {
	// The filter is set on a thread, and exec keeps the thread that calls it.
	runtime.LockOSThread()
	if len(args) != 2 {
		return fmt.Errorf("run %s: it is started by lodge only", Name)
	}
	fd, err := strconv.Atoi(args[1])
	if err != nil || fd < 0 {
		return fmt.Errorf("run %s: %q is not a descriptor", Name, args[1])
	}
	unix.CloseOnExec(fd)
	// The socket comes after the program's descriptors; whatever else the
	// keeper has let through is not the program's. Before Linux 5.11 it stays.
	_ = unix.CloseRange(uint(fd), math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	at, err := become(fd)
	var errno unix.Errno
	if !errors.As(err, &errno) || errno == 0 {
		errno = unix.EPROTO
	}
	told := WriteAll(fd, Reply{Kind: ReplyError, stage: at, errno: errno}.encode())
	return errors.Join(fmt.Errorf("%v: %w", at, err), told)
}

func become(fd int) (stage, error) {
	var head [4]byte
	if err := ReadAll(fd, head[:]); err != nil {
		return stageOrder, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n > orderMax {
		return stageOrder, errOrder
	}
	body := make([]byte, n)
	if err := ReadAll(fd, body); err != nil {
		return stageOrder, err
	}
	o, err := decodeOrder(body)
	if err != nil {
		return stageOrder, err
	}
	if o.Dir != "" {
		if err := unix.Chdir(o.Dir); err != nil {
			return stageDir, err
		}
	}
	// The Go runtime opens /dev/null for the first three descriptors where
	// they are closed.
	for i := range 3 {
		if o.Closed&(1<<i) != 0 {
			_ = unix.Close(i) // EBADF: it is closed already
		}
	}
	code, err := unotify.Filter(o.Strict)
	if err != nil {
		return stageFilter, err
	}
	if err := unotify.NoNewPrivs(); err != nil {
		return stagePrivs, err
	}
	hand := newHander(fd)
	listener, err := unotify.Install(code)
	if err != nil {
		return stageFilter, err
	}
	if err := hand.send(listener); err != nil {
		return stageSend, err
	}
	// The program must never hold its own supervisor's end; it is
	// close-on-exec, and closed here for the time until then.
	if err := unix.Close(listener); err != nil {
		return stageSend, err
	}
	// syscall.Exec and not unix.Exec's bare call: it gives back the soft limit
	// of open files, which the Go runtime has raised.
	return stageExec, syscall.Exec(o.Path, o.Args, o.Env)
}

var ErrEnd = errors.New("the other side closed the socket")

func ReadAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Read(fd, b)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return err
		case n == 0:
			return ErrEnd
		default:
			b = b[n:]
		}
	}
	return nil
}

func WriteAll(fd int, b []byte) error {
	for len(b) > 0 {
		// Not sendmsg, which the filter of a strict home stops.
		n, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
		switch {
		case errno == unix.EINTR:
		case errno != 0:
			return errno
		default:
			b = b[n:]
		}
	}
	return nil
}
