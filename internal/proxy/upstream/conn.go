package upstream

import (
	"crypto/tls"
	"errors"
	"net"

	"golang.org/x/sys/unix"

	"lodge/internal/proxy/http1"
	"lodge/internal/proxy/policy"
	"lodge/internal/proxy/socket"
	"lodge/internal/proxy/tunnel"
)

// Conn is a connection to a service that speaks HTTP/1, used for one request at a
// time.
type Conn struct {
	Reader http1.Reader
	Head   http1.Response // the head that was read last
	Body   http1.Body     // of the answer, once it was begun

	pool    *Pool
	socket  *socket.Conn
	conn    net.Conn // socket, or TLS over it
	reused  bool
	sending sending
	step    func(fd uintptr) bool // u.write, made once
	until   int64                 // when it is closed, on the clock of the pool
}

// Endpoint returns where the connection leads.
func (u *Conn) Endpoint() policy.Endpoint { return u.pool.to }

// Reused reports whether the connection has served a request before.
func (u *Conn) Reused() bool { return u.reused }

func (u *Conn) secure() bool {
	_, ok := u.conn.(*tls.Conn)
	return ok
}

// Close closes the connection.
func (u *Conn) Close() {
	u.conn.Close() // nothing can be done about what it says
	u.Reader.Release()
}

// Abort ends what another goroutine does with the connection. That one closes it.
func (u *Conn) Abort() { u.socket.Conn.Close() }

// Keep gives the connection back to its pool, its answer read to the end.
func (u *Conn) Keep() { u.pool.Put(u) }

// DropIdle closes the other connections to the endpoint that are kept.
func (u *Conn) DropIdle() { u.pool.DropIdle() }

// Release gives up the buffer, and returns the connection for a tunnel.
func (u *Conn) Release() tunnel.End {
	u.Reader.Release()
	return tunnel.End{Conn: u.conn, Socket: u.socket}
}

// Write sends bytes of the request's body.
func (u *Conn) Write(b []byte) (int, error) { return u.conn.Write(b) }

// ReadHead reads the next head of the answer.
func (u *Conn) ReadHead() error { return u.Head.Read(&u.Reader, u.pool.cfg.MaxHead) }

// ReadNow reads what the socket has now, past the buffer; nothing over TLS.
func (u *Conn) ReadNow(b []byte) (int, error) {
	if u.secure() {
		return 0, socket.ErrNothing
	}
	return socket.ReadNow(u.socket.Raw, b)
}

// sending is the state of Send.
type sending struct {
	head    []byte
	n       int // bytes of it that were written
	err     error
	started bool
	wait    bool // for the answer
	busy    *socket.BusyWait
}

// ErrStale is a kept connection that the service has closed, or on which it
// has said something unasked: the next request would get an answer that is not
// its own. Nothing was sent on it.
var ErrStale = errors.New("the service has closed the connection")

// Send writes a head and, if wait is set, waits until there is something to
// read, for a moment by busy. Both are one operation for Go's runtime: a Read that
// came after the Write would first try in vain, which costs as much as looking
// whether a kept connection is still good.
func (u *Conn) Send(head []byte, wait bool, busy *socket.BusyWait) error {
	if u.secure() {
		_, err := u.conn.Write(head)
		return err
	}
	u.sending = sending{head: head, wait: wait, busy: busy}
	err := u.socket.Raw.Read(u.step)
	s := u.sending
	u.sending.head = nil
	if err != nil {
		return err
	}
	if s.err == unix.EAGAIN || s.err == nil && s.n < len(head) { // more than the socket holds
		_, s.err = u.conn.Write(head[s.n:])
	}
	return s.err
}

// write is called by the runtime at once, and again when the socket may have
// something to read.
func (u *Conn) write(fd uintptr) bool {
	s := &u.sending
	if s.started {
		return true
	}
	s.started = true
	if u.reused && !socket.Quiet(fd) {
		s.err = ErrStale
		return true
	}
	for {
		s.n, s.err = unix.Write(int(fd), s.head)
		if s.err != unix.EINTR {
			break
		}
	}
	s.n = max(s.n, 0)
	if s.err != nil || s.n < len(s.head) || !s.wait {
		return true
	}
	return s.busy != nil && s.busy.Wait(fd)
}
