package seccomphome

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// pulse is how often a waiting call is asked whether its caller is still
// there, or has a signal to see to, in milliseconds.
const pulse = 50

// restart is the kernel's ERESTARTSYS (include/linux/errno.h), which a program
// never sees: the kernel turns it into EINTR, or makes the call again, as the
// signal's handler asks for.
const restart = unix.Errno(512)

// waiting is a call that has to wait for its socket. Its duplicate belongs to
// the waiter.
type waiting struct {
	l   *listener
	id  uint64
	tid uint32
	s   socket.Socket
	// again tries once more when the socket is writable; false is not yet.
	again func() (unotify.Answer, bool)
	// deadline is the socket's own send timeout, zero for none, after which
	// the answer is late.
	deadline time.Time
	late     unix.Errno
	// signals were pending, for the whole process, at the last pulse.
	signals uint64
}

// waiter waits for all such calls of a home, in one goroutine.
type waiter struct {
	stop int // readable when the home is closed
	wake int // eventfd: there is something new

	mu    sync.Mutex // guards what follows
	new   []*waiting
	ended bool // run has returned
}

func newWaiter(stop int) (*waiter, error) {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, err
	}
	return &waiter{stop: stop, wake: wake}, nil
}

func (w *waiter) close() error { return unix.Close(w.wake) }

// add hands a call over. Its listener stays open until it is answered.
func (w *waiter) add(one *waiting) {
	w.mu.Lock()
	ended := w.ended
	if !ended {
		w.new = append(w.new, one)
	}
	w.mu.Unlock()
	if ended {
		one.finish(unotify.Fail(unix.EINTR))
		return
	}
	b := [8]byte{1}
	// EAGAIN would mean that it is awake already.
	_, _ = unix.Write(w.wake, b[:])
}

func (w *waiter) run() {
	var list []*waiting
	var fds []unix.PollFd
	for {
		fds = append(fds[:0], unix.PollFd{Fd: int32(w.stop), Events: unix.POLLIN}, unix.PollFd{Fd: int32(w.wake), Events: unix.POLLIN}) //nolint:gosec // descriptors
		for _, one := range list {
			fds = append(fds, unix.PollFd{Fd: int32(one.s.FD), Events: unix.POLLOUT}) //nolint:gosec // as above
		}
		timeout := -1
		if len(list) > 0 {
			timeout = pulse
		}
		n, err := unix.Poll(fds, timeout)
		if err != nil && !errors.Is(err, unix.EINTR) || fds[0].Revents != 0 {
			break
		}
		kept := list[:0]
		for i, one := range list {
			if fds[i+2].Revents != 0 && one.tried() || n == 0 && one.over() {
				continue
			}
			kept = append(kept, one)
		}
		list = kept
		if fds[1].Revents != 0 {
			var b [8]byte
			_, _ = unix.Read(w.wake, b[:]) // only resets it
		}
		list = append(list, w.take()...)
	}
	// The home is closed: each call that still waits gets an answer.
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	for _, one := range append(list, w.take()...) {
		one.finish(unotify.Fail(unix.EINTR))
	}
}

func (w *waiter) take() []*waiting {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.new
	w.new = nil
	return out
}

func (one *waiting) finish(a unotify.Answer) {
	one.s.Close()
	one.l.respond(one.id, a) // ENOENT: the caller is gone
	one.l.later.Done()
}

// tried tries again and reports whether that was the end of it.
func (one *waiting) tried() bool {
	a, done := one.again()
	if done {
		one.finish(a)
	}
	return done
}

// over reports whether there is no reason to wait any longer.
func (one *waiting) over() bool {
	switch {
	case !unotify.Valid(one.l.fd, one.id):
		// Killed. The socket goes with its last descriptor.
		one.finish(unotify.Fail(unix.ESRCH))
	case !one.deadline.IsZero() && time.Now().After(one.deadline):
		one.finish(unotify.Fail(one.late))
	case one.interrupted():
		errno := restart
		if !one.deadline.IsZero() {
			errno = unix.EINTR // as the kernel does (sock_intr_errno)
		}
		one.finish(unotify.Fail(errno))
	default:
		return false
	}
	return true
}

// interrupted reports whether the caller has a signal that it would handle if it
// were not waiting for us. A signal for the whole process that another thread
// takes is gone at the next pulse.
func (one *waiting) interrupted() bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(int(one.tid)) + "/status")
	if err != nil {
		return false
	}
	status := string(text)
	mask := func(name string) uint64 {
		value, _ := unotify.StatusField(status, name)
		n, err := strconv.ParseUint(value, 16, 64)
		if err != nil {
			return 0
		}
		return n
	}
	open := ^(mask("SigBlk") | mask("SigIgn"))
	if mask("SigPnd")&open != 0 {
		return true
	}
	shared := mask("ShdPnd") & open
	if shared == 0 {
		one.signals = 0
		return false
	}
	group, _ := unotify.StatusField(status, "Tgid")
	again := shared&one.signals != 0
	one.signals = shared
	return again || group == strconv.Itoa(int(one.tid))
}
