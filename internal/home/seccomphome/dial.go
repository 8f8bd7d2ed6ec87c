package seccomphome

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// dial makes the connect. near reports that the other end is this machine, so
// that it answers at once or not at all.
func dial(c *call, near bool) unotify.Answer {
	if !c.s.Connects() || c.s.Nonblocking() {
		return unotify.Fail(c.to.Connect(c.s.FD))
	}
	if near {
		return dialBlocking(c)
	}
	own := *c // the listener uses c again
	c.l.later.Go(func() {
		if got := dialBlocking(&own); !got.Later {
			own.s.Close()
			own.l.respond(own.n.ID, got)
		}
	})
	return unotify.Answer{Later: true}
}

// dialBlocking connects a socket whose program wants to wait, without waiting
// itself. The connection goes on by itself, and the waiter tells when it is
// there.
func dialBlocking(c *call) unotify.Answer {
	d := &c.l.h.dialer
	errno, limit := d.connect(&c.s, &c.to)
	// EALREADY: an earlier connect was interrupted and this one goes on with it.
	if errno != unix.EINPROGRESS && errno != unix.EALREADY {
		return unotify.Fail(errno)
	}
	to := c.to // the listener uses c again
	w := &waiting{late: errno}
	if limit != 0 {
		w.deadline = time.Now().Add(limit)
	}
	w.again = func() (unotify.Answer, bool) {
		// The connection is made or has failed: this tells which, and ends
		// the connecting as the program's own call would have.
		errno, _ := d.connect(&w.s, &to)
		return unotify.Fail(errno), errno != unix.EALREADY && errno != unix.EINPROGRESS
	}
	return c.wait(w)
}

// dialer connects sockets without waiting for the other end.
type dialer struct {
	// locks keep two connects of one socket apart, by its cookie.
	locks [64]sync.Mutex
}

// connect connects a socket that its program left blocking and waits
// for one tick of the kernel's clock at most. How long the kernel waits is the
// socket's send timeout, so it is shortened for this one call; O_NONBLOCK,
// which the program can see, stays as it is. limit is the timeout that the
// program has set, zero for none.
func (d *dialer) connect(s *socket.Socket, a *unotify.Address) (errno unix.Errno, limit time.Duration) {
	// Two threads may connect one socket.
	lock := &d.locks[s.Cookie%uint64(len(d.locks))]
	lock.Lock()
	defer lock.Unlock()
	before, err := unix.GetsockoptTimeval(s.FD, unix.SOL_SOCKET, unix.SO_SNDTIMEO)
	if err != nil {
		return unotify.Number(err), 0
	}
	short := unix.Timeval{Usec: 1}
	if err := unix.SetsockoptTimeval(s.FD, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &short); err != nil {
		return unotify.Number(err), 0
	}
	errno = a.Connect(s.FD)
	if err := unix.SetsockoptTimeval(s.FD, unix.SOL_SOCKET, unix.SO_SNDTIMEO, before); err != nil {
		return unotify.Number(err), 0
	}
	return errno, time.Duration(before.Nano())
}
