package seccomphome

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// lostMax bounds how many unanswered results a listener remembers.
const lostMax = 64

// listener supervises what one Start started: one filter, one goroutine.
type listener struct {
	h       *Home
	service string
	fd      int
	handles handles // of the goroutine only
	// lost holds results that nobody took: before Linux 5.19 a signal takes
	// the caller away while the call is being made, and the caller comes back
	// and makes it again.
	lost map[lostKey]answer
	// later counts the calls whose answer is given by somebody else, who uses
	// fd too.
	later sync.WaitGroup
	// payload is where sendto's data is copied.
	payload []byte
}

type lostKey struct {
	tid    uint32
	nr     int32
	cookie uint64
}

// add begins to supervise. It owns fd.
func (h *Home) add(service string, fd int) error {
	l := &listener{h: h, service: service, fd: fd, lost: make(map[lostKey]answer)}
	wakeSync(fd)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return errors.Join(errors.New("home is closed"), unix.Close(fd))
	}
	h.listeners[l] = struct{}{}
	h.running.Go(l.serve)
	return nil
}

// serve answers until nobody is left inside, or the home is closed.
func (l *listener) serve() {
	defer func() {
		l.later.Wait()
		l.handles.close()
		_ = unix.Close(l.fd) // nothing is written to it
		l.h.mu.Lock()
		delete(l.h.listeners, l)
		l.h.mu.Unlock()
		l.h.changed()
	}()
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.h.stop), Events: unix.POLLIN}} //nolint:gosec // descriptors
	var n notification
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
		if errno := receive(l.fd, &n); errno != 0 {
			continue // ENOENT: the caller was killed meanwhile
		}
		l.handle(&n)
	}
}

// handle makes one call and answers it.
func (l *listener) handle(n *notification) {
	ok, errno := n.translate()
	switch {
	case errno != 0:
		l.respond(n.id, fail(errno))
		return
	case !ok:
		l.respond(n.id, letThrough)
		return
	case n.nr == unix.SYS_SOCKET:
		l.respond(n.id, n.socket())
		return
	}
	fd, err := l.handles.duplicate(n.tid, int(int32(n.args[0]))) //nolint:gosec // a C int
	if err != nil {
		a := fail(number(err))
		if errors.Is(err, unix.EPERM) {
			a = l.undumpable(n)
		}
		l.respond(n.id, a)
		return
	}
	s, ours, err := l.h.inspect(fd)
	if err != nil || !ours {
		s.close()
		a := letThrough
		if err != nil {
			a = fail(number(err))
			if n.nr == unix.SYS_CONNECT && errors.Is(err, unix.ENOTSOCK) { // the kernel reads the address first
				if _, bad := readAddress(n.tid, n.args[1], int32(n.args[2])); bad != nil { //nolint:gosec // a C int
					a = fail(number(bad))
				}
			}
		}
		l.respond(n.id, a)
		return
	}
	key := lostKey{n.tid, n.nr, s.cookie}
	a, again := l.lost[key]
	if again {
		delete(l.lost, key)
	} else {
		a = l.call(n, &s)
	}
	if a.later {
		return // the duplicate has a new owner
	}
	// The duplicate is closed first: if the program closes its own right
	// after the answer, the socket must really be closed.
	s.close()
	if l.respond(n.id, a) == unix.ENOENT && len(l.lost) < lostMax {
		l.lost[lostKey{n.tid, n.nr, s.cookie}] = a
	}
}

func (l *listener) respond(id uint64, a answer) unix.Errno {
	r := a.response(id)
	return respond(l.fd, &r)
}

// call chooses the handler. A handler may change s to another socket.
func (l *listener) call(n *notification, s *socket) answer {
	switch n.nr {
	case unix.SYS_BIND:
		return l.bind(n, s)
	case unix.SYS_CONNECT:
		return l.connect(n, s)
	case unix.SYS_LISTEN:
		return l.listen(n, s)
	case unix.SYS_SENDTO:
		return l.sendto(n, s)
	case unix.SYS_SENDMSG:
		return l.sendmsg(n, s)
	case unix.SYS_SENDMMSG:
		return l.sendmmsg(n, s)
	case unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME:
		return l.name(n, s)
	}
	return letThrough
}
