package seccomphome

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/socket"
	"lodge/internal/home/seccomphome/unotify"
)

// listener supervises what one Start started: one filter, one goroutine.
type listener struct {
	h       *Home
	service string
	fd      int
	handles unotify.Handles // of the goroutine only
	lost    lostAnswers     // likewise
	// later counts the calls whose answer another goroutine gives, which uses fd
	// too.
	later sync.WaitGroup
	// payload is where the data of a send is copied.
	payload []byte
	// current is the call that is being answered. It is used again for each, so
	// that a call costs no allocation.
	current call
}

// supervise begins to supervise. It owns fd.
func supervise(h *Home, service string, fd int) error {
	l := &listener{h: h, service: service, fd: fd}
	unotify.WakeSync(fd)
	if !h.listeners.add(l, func() { h.running.Go(l.serve) }) {
		return errors.Join(errors.New("home is closed"), unix.Close(fd))
	}
	return nil
}

// serve answers until no process is left inside, or the home is closed.
func (l *listener) serve() {
	defer func() {
		l.later.Wait()
		l.handles.Close()
		_ = unix.Close(l.fd) // nothing is written to it
		l.h.listeners.remove(l)
		l.h.notices.changed()
	}()
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.h.stop), Events: unix.POLLIN}} //nolint:gosec // descriptors
	l.current.l = l
	for {
		_, err := unix.Poll(fds, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil, fds[1].Revents != 0:
			return
		case fds[0].Revents&unix.POLLIN == 0:
			return // POLLHUP: the last process inside is gone
		}
		if errno := unotify.Receive(l.fd, &l.current.n); errno != 0 {
			continue // ENOENT: the caller was killed meanwhile
		}
		l.handle(&l.current)
	}
}

// handle makes one call and answers it.
func (l *listener) handle(c *call) {
	ok, errno := c.n.Translate()
	switch {
	case errno != 0:
		l.respond(c.n.ID, unotify.Fail(errno))
		return
	case !ok:
		l.respond(c.n.ID, unotify.LetThrough)
		return
	case c.n.NR == unix.SYS_SOCKET:
		l.respond(c.n.ID, c.n.Socket())
		return
	}
	fd, err := l.handles.Duplicate(c.n.TID, c.fd())
	if err != nil {
		a := unotify.Fail(unotify.Number(err))
		if errors.Is(err, unix.EPERM) {
			a = undumpable(&c.n, l.h.router.Strict)
		}
		l.respond(c.n.ID, a)
		return
	}
	var ours bool
	if c.s, ours, err = socket.Inspect(fd, l.h.netns); err != nil || !ours {
		c.s.Close()
		a := unotify.LetThrough
		if err != nil {
			a = c.notSocket(err)
		}
		l.respond(c.n.ID, a)
		return
	}
	key := lostKey{c.n.TID, c.n.NR, c.s.Cookie}
	a, again := l.lost.take(key)
	if !again {
		a = c.answer()
	}
	if a.Later {
		return // the duplicate has a new owner
	}
	// The duplicate is closed first: if the program closes its own right
	// after the answer, the socket must really be closed.
	c.s.Close()
	if l.respond(c.n.ID, a) == unix.ENOENT {
		l.lost.keep(lostKey{c.n.TID, c.n.NR, c.s.Cookie}, a)
	}
}

// respond answers the call with an id. ENOENT says that the caller is gone.
func (l *listener) respond(id uint64, a unotify.Answer) unix.Errno {
	r := a.Response(id)
	return unotify.Respond(l.fd, &r)
}

// listeners are those of one home.
type listeners struct {
	mu     sync.Mutex // guards what follows
	closed bool
	all    map[*listener]struct{}
}

// add adds a listener and starts it, unless the home is closed.
func (t *listeners) add(l *listener, start func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	if t.all == nil {
		t.all = make(map[*listener]struct{})
	}
	t.all[l] = struct{}{}
	start()
	return true
}

func (t *listeners) remove(l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, l)
}

func (t *listeners) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// close makes add refuse from now on. It reports whether this was the first call.
func (t *listeners) close() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := !t.closed
	t.closed = true
	return first
}
