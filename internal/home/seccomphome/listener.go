package seccomphome

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
	"lodge/internal/loopback"
)

// lostMax bounds how many unanswered results a listener remembers.
const lostMax = 64

// listener supervises what one Start started: one filter, one goroutine.
type listener struct {
	h       *Home
	service string
	fd      int
	handles unotify.Handles // of the goroutine only
	// lost holds results that nobody took: before Linux 5.19 a signal takes
	// the caller away while the call is being made, and the caller comes back
	// and makes it again.
	lost map[lostKey]unotify.Answer
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
	l := &listener{h: h, service: service, fd: fd, lost: make(map[lostKey]unotify.Answer)}
	unotify.WakeSync(fd)
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
		l.handles.Close()
		_ = unix.Close(l.fd) // nothing is written to it
		l.h.mu.Lock()
		delete(l.h.listeners, l)
		l.h.mu.Unlock()
		l.h.changed()
	}()
	fds := []unix.PollFd{{Fd: int32(l.fd), Events: unix.POLLIN}, {Fd: int32(l.h.stop), Events: unix.POLLIN}} //nolint:gosec // descriptors
	var n unotify.Notification
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
		if errno := unotify.Receive(l.fd, &n); errno != 0 {
			continue // ENOENT: the caller was killed meanwhile
		}
		l.handle(&n)
	}
}

// handle makes one call and answers it.
func (l *listener) handle(n *unotify.Notification) {
	ok, errno := n.Translate()
	switch {
	case errno != 0:
		l.respond(n.ID, unotify.Fail(errno))
		return
	case !ok:
		l.respond(n.ID, unotify.LetThrough)
		return
	case n.NR == unix.SYS_SOCKET:
		l.respond(n.ID, n.Socket())
		return
	}
	fd, err := l.handles.Duplicate(n.TID, int(int32(n.Args[0]))) //nolint:gosec // a C int
	if err != nil {
		a := unotify.Fail(unotify.Number(err))
		if errors.Is(err, unix.EPERM) {
			a = l.undumpable(n)
		}
		l.respond(n.ID, a)
		return
	}
	s, ours, err := l.h.inspect(fd)
	if err != nil || !ours {
		s.close()
		a := unotify.LetThrough
		if err != nil {
			a = unotify.Fail(unotify.Number(err))
			if n.NR == unix.SYS_CONNECT && errors.Is(err, unix.ENOTSOCK) { // the kernel reads the address first
				if _, bad := unotify.ReadAddress(n.TID, n.Args[1], int32(n.Args[2])); bad != nil { //nolint:gosec // a C int
					a = unotify.Fail(unotify.Number(bad))
				}
			}
		}
		l.respond(n.ID, a)
		return
	}
	key := lostKey{n.TID, n.NR, s.cookie}
	a, again := l.lost[key]
	if again {
		delete(l.lost, key)
	} else {
		a = l.call(n, &s)
	}
	if a.Later {
		return // the duplicate has a new owner
	}
	// The duplicate is closed first: if the program closes its own right
	// after the answer, the socket must really be closed.
	s.close()
	if l.respond(n.ID, a) == unix.ENOENT && len(l.lost) < lostMax {
		l.lost[lostKey{n.TID, n.NR, s.cookie}] = a
	}
}

func (l *listener) respond(id uint64, a unotify.Answer) unix.Errno {
	r := a.Response(id)
	return unotify.Respond(l.fd, &r)
}

// call chooses the handler. A handler may change s to another socket.
func (l *listener) call(n *unotify.Notification, s *socket) unotify.Answer {
	switch n.NR {
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
	return unotify.LetThrough
}

// undumpable answers for a process that we may not look into, because it made
// itself not dumpable (ssh-agent, gpg-agent) or its executable cannot be read.
// Neither its socket nor its address can be seen, only the numbers that it
// passed. Asking for a name is let through. The others:
//
//	strict   nothing that could be an IPv4 or IPv6 address or socket, nor
//	         sendmsg, of which nothing can be seen: EACCES
//	overlay  bind with an address of exactly their two sizes: EACCES, so that
//	         a server is not on the network by surprise; the rest is let
//	         through, and reaches the machine's own localhost
func (l *listener) undumpable(n *unotify.Notification) unotify.Answer {
	strict := l.h.spec.Isolation == loopback.Strict
	refuse := false
	switch n.NR {
	case unix.SYS_BIND:
		size := int32(n.Args[2]) //nolint:gosec // a C int
		refuse = size == unotify.Inet4Len || size == unotify.Inet6Len || strict && size >= unotify.Inet4Len
	case unix.SYS_CONNECT:
		refuse = strict && int32(n.Args[2]) >= unotify.Inet4Len //nolint:gosec // as above
	case unix.SYS_SENDTO:
		refuse = strict && int32(n.Args[5]) >= unotify.Inet4Len //nolint:gosec // as above
	case unix.SYS_LISTEN:
		refuse = strict
	case unix.SYS_SENDMSG, unix.SYS_SENDMMSG:
		refuse = strict
	}
	if refuse {
		return unotify.Fail(unix.EACCES)
	}
	return unotify.LetThrough
}
