package relay

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
	"lodge/internal/rawjson"
)

// conn is a connection that is led through the relay.
type conn struct {
	entry   *entry
	opening feed.Opening
	at      time.Time
	in, up  *net.TCPConn // to the program, nil while it is pending; to the service
	number  uint64
	views   []view
	broken  sync.Once
}

// view is what one tap has of a connection.
type view struct {
	tap *Tap
	// known: the tap was told that it began. Otherwise nothing of it is.
	known bool
	// missing are the bytes of each side that found no place since the last that did.
	// Each is of the goroutine that copies that side.
	missing [2]uint64
}

func newConn(e *entry, up *net.TCPConn, o feed.Opening) *conn {
	return &conn{entry: e, up: up, opening: o, at: moment()}
}

// moment is the time of what happens now. It is one place, so that all is of one clock.
func moment() time.Time { return time.Now() }

// encode returns the payload of a frame. These values can be written.
func encode(v any) []byte {
	b, _ := rawjson.Marshal(v)
	return b
}

// tcpConn returns the connection of a descriptor, which it owns; nil: none could be made.
func tcpConn(fd int) *net.TCPConn {
	f := os.NewFile(uintptr(fd), "relay")
	c, err := net.FileConn(f)
	_ = f.Close() // c has a duplicate
	if err != nil {
		return nil
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		_ = c.Close() // nothing was written to it
		return nil
	}
	_ = tcp.SetKeepAlive(false) // both ends are on this machine
	return tcp
}

// watch tells the taps that the connection begins, before it carries anything.
func (c *conn) watch(taps []*Tap) {
	payload := encode(c.opening)
	for _, t := range taps {
		known := t.put(feed.Header{Kind: feed.Opened, Connection: c.number, At: c.at}, payload, 0)
		c.views = append(c.views, view{tap: t, known: known})
	}
}

// tell tells the taps what a side sent, or that it ended.
func (c *conn) tell(kind feed.Kind, side uint8, b []byte) {
	if len(c.views) == 0 {
		return
	}
	h := feed.Header{Kind: kind, Side: side, Connection: c.number, At: moment()}
	for i := range c.views {
		v := &c.views[i]
		if !v.known {
			v.tap.lose(feed.QueueFull, len(b))
			continue
		}
		if kind == feed.Reset { // of a side that another goroutine may be copying
			v.tap.put(h, nil, 0)
			continue
		}
		h.Missing = v.missing[side]
		if v.tap.put(h, b, len(b)) {
			v.missing[side] = 0
		} else {
			v.missing[side] += uint64(len(b))
		}
	}
}

// copy copies both directions to their ends.
func (c *conn) copy(buffers *sync.Pool) {
	for _, s := range []*net.TCPConn{c.in, c.up} {
		// An urgent byte is read where it stands, and sent on as one: see receive.
		control(s, func(fd int) { _ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) })
	}
	var other sync.WaitGroup
	other.Go(func() { c.direction(feed.Server, c.up, c.in, buffers) })
	c.direction(feed.Client, c.in, c.up, buffers)
	other.Wait()
	c.close()
}

// direction copies what a side sends, to its end.
func (c *conn) direction(side uint8, from, to *net.TCPConn, buffers *sync.Pool) {
	raw, err := from.SyscallConn()
	if err != nil {
		c.breakOff(side)
		return
	}
	for {
		var buf *[bufferSize]byte
		var n int
		var urgent bool
		werr := raw.Read(func(fd uintptr) bool {
			// Only what has something to read has a buffer.
			buf = buffers.Get().(*[bufferSize]byte) //nolint:forcetypeassert // New makes no other
			n, urgent, err = receive(int(fd), buf[:])
			if errors.Is(err, unix.EAGAIN) {
				buffers.Put(buf)
				buf = nil
				return false
			}
			return true
		})
		switch {
		case werr != nil: // closed by the other direction, or by the home
			return
		case err != nil:
			buffers.Put(buf)
			c.breakOff(side)
			return
		case n == 0:
			buffers.Put(buf)
			c.tell(feed.Closed, side, nil)
			if to.CloseWrite() != nil {
				c.breakOff(side ^ 1)
			}
			return
		}
		// The taps are told first, so that no answer is before its question.
		c.tell(feed.Data, side, buf[:n])
		if urgent {
			err = sendUrgent(to, buf[:n])
		} else {
			err = send(from, to, buf[:n])
		}
		buffers.Put(buf)
		switch {
		case errors.Is(err, errBroken):
			c.breakOff(side)
			return
		case err != nil:
			c.breakOff(side ^ 1)
			return
		}
	}
}

// breakOff ends the connection as a side did that broke it off: the other gets a reset.
func (c *conn) breakOff(side uint8) {
	c.broken.Do(func() {
		c.tell(feed.Reset, side, nil)
		c.reset()
	})
}

// reset closes both ends with a reset, which does nothing to one that has ended.
func (c *conn) reset() {
	for _, s := range []*net.TCPConn{c.in, c.up} {
		if s != nil {
			_ = s.SetLinger(0)
		}
	}
	c.close()
}

// close closes both ends. What was written and not sent is still sent.
func (c *conn) close() {
	for _, s := range []*net.TCPConn{c.in, c.up} {
		if s != nil {
			_ = s.Close() // it may be closed already
		}
	}
}

// receive reads what there is, up to an urgent byte or that byte alone (tcp(7)): with
// SO_OOBINLINE a read ends before it.
func receive(fd int, b []byte) (n int, urgent bool, err error) {
	mark, err := unix.IoctlGetInt(fd, unix.SIOCATMARK)
	if urgent = err == nil && mark != 0; urgent {
		b = b[:1]
	}
	for {
		if n, err = unix.Read(fd, b); !errors.Is(err, unix.EINTR) {
			return n, urgent, err
		}
	}
}

// errBroken says that the side from which bytes come has broken off.
var errBroken = errors.New("broken off")

// glance is how often is looked whether a side has broken off while the other one does not
// take what it sent.
const glance = 100 * time.Millisecond

// send sends bytes that came from one side to the other. Where that does not take them, it
// waits, and ends with errBroken when the first side breaks off: the other one is to learn
// that at once, though it does not read.
func send(from, to *net.TCPConn, b []byte) error {
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	n := 0
	err = raw.Write(func(fd uintptr) bool {
		n, sent = unix.Write(int(fd), b) // it does not wait
		return true
	})
	if err != nil || sent != nil && !errors.Is(sent, unix.EAGAIN) && !errors.Is(sent, unix.EINTR) {
		return errors.Join(err, sent)
	}
	if b = b[max(n, 0):]; len(b) == 0 {
		return nil
	}
	for len(b) > 0 {
		if err := to.SetWriteDeadline(time.Now().Add(glance)); err != nil {
			return err
		}
		n, err := to.Write(b)
		b = b[n:]
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if err != nil && broken(from) {
			return errBroken
		}
	}
	return to.SetWriteDeadline(time.Time{})
}

// broken reports whether the other end of a connection has broken it off.
func broken(c *net.TCPConn) (yes bool) {
	control(c, func(fd int) {
		fds := []unix.PollFd{{Fd: int32(fd)}} //nolint:gosec // a descriptor
		n, err := unix.Poll(fds, 0)
		yes = err == nil && n > 0 && fds[0].Revents&unix.POLLERR != 0
	})
	return yes
}

// sendUrgent sends a byte as urgent data.
func sendUrgent(to *net.TCPConn, b []byte) error {
	raw, err := to.SyscallConn()
	if err != nil {
		return err
	}
	var sent error
	err = raw.Write(func(fd uintptr) bool {
		_, sent = unix.SendmsgN(int(fd), b, nil, nil, unix.MSG_OOB|unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return !errors.Is(sent, unix.EAGAIN) && !errors.Is(sent, unix.EINTR)
	})
	return errors.Join(err, sent)
}

func control(c *net.TCPConn, f func(fd int)) {
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // closed: it ends by itself
	}
}
