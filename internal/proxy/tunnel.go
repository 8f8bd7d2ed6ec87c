package proxy

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A tunnel joins a client and a service after 101 Switching Protocols, mostly
// for a WebSocket. Most tunnels are silent most of the time, and there may be
// thousands of them: a silent one has no goroutine and no buffer. Those with
// something to read are told by epoll (poller.go), and then a goroutine moves
// what there is.
type tunnel struct {
	t      *tunnels
	use    *usage
	client side
	up     side

	moved atomic.Int64 // when something came last, on the engine's clock

	mu   sync.Mutex // guards what follows
	open int        // directions that have not ended
	over bool
}

// side is one end of a tunnel: what is read from it is written to the other.
type side struct {
	conn  net.Conn        // to write to and to close
	read  io.Reader       // gives errNothing where there is nothing to read now
	raw   syscall.RawConn // of the socket
	other *side
	of    *tunnel
	id    uint64

	mu      sync.Mutex // guards what follows
	running bool       // a goroutine reads
	again   bool       // something may have come since it last looked
	ended   bool       // nothing more will be read
}

// instantReader reads a socket without waiting.
type instantReader struct{ raw syscall.RawConn }

func (r instantReader) Read(b []byte) (int, error) { return readInstant(r.raw, b) }

// upgraded finishes the exchange with which a connection becomes a tunnel. It
// says false if the answer could not be sent; the connection to the service is
// the caller's then.
func (c *h1conn) upgraded(r *route, u *upConn, a *answer) bool {
	out := u.addFields(statusLine(c.out[:0], a.status, u.head.StatusMessage()), a.connection)
	out = append(out, "Connection: Upgrade\r\n"...)
	out = appendField(out, []byte("Upgrade"), a.upgrade)
	out = append(out, "\r\n"...)
	early, _ := u.br.Peek(u.br.Buffered()) // all of it is there
	out = append(out, early...)
	if !c.write(out) {
		return false
	}
	if early, _ := c.br.Peek(c.br.Buffered()); len(early) > 0 {
		if _, err := u.c.Write(early); err != nil {
			return false
		}
	}
	c.use(nil)
	c.e.leave(c)
	client, up := c.c, u.c
	c.release()
	c.e.buffers.putReader(u.br)
	u.br = nil
	r.use.tunnel()
	c.e.tunnels.join(r.use, c.low, client, up, u.raw)
	return true
}

// join makes a tunnel, which owns both connections.
func (t *tunnels) join(use *usage, low *lowConn, client, up net.Conn, upRaw syscall.RawConn) {
	n := &tunnel{t: t, use: use, open: 2}
	n.client = side{conn: client, raw: low.raw, of: n, other: &n.up, read: instantReader{low.raw}}
	n.up = side{conn: up, raw: upRaw, of: n, other: &n.client, read: instantReader{upRaw}}
	if secure, ok := client.(*tls.Conn); ok {
		low.instant = true
		n.client.read = secure
	}
	if err := t.add(n); err != nil {
		n.end()
		return
	}
	// Something may have come before epoll looked.
	n.client.wake()
	n.up.wake()
}

// wake has a goroutine read, if none does.
func (s *side) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running {
		s.again = true
		return
	}
	if s.ended {
		return
	}
	s.running = true
	s.of.t.work.Go(s.pump)
}

// pump moves what there is to read now.
func (s *side) pump() {
	for {
		end := s.move()
		s.mu.Lock()
		if end {
			s.ended, s.running = true, false
			s.mu.Unlock()
			s.finish()
			return
		}
		if !s.again {
			s.running = false
			s.mu.Unlock()
			return
		}
		s.again = false
		s.mu.Unlock()
	}
}

// move reports whether the side has ended.
func (s *side) move() (end bool) {
	e := s.of.t.e
	block := e.buffers.block()
	defer e.buffers.putBlock(block)
	for {
		n, err := s.read.Read(block[:])
		if n > 0 {
			s.of.moved.Store(e.now.Load())
			s.other.conn.SetWriteDeadline(time.Now().Add(e.lim.StallTime)) // where it fails, so does Write
			if _, err := s.other.conn.Write(block[:n]); err != nil {
				s.of.end()
				return true
			}
		}
		if errors.Is(err, errNothing) {
			return false
		}
		if err != nil {
			if err != io.EOF {
				s.of.end()
			}
			return true
		}
	}
}

// finish hands the end of a side on: the other may still have things to say.
func (s *side) finish() {
	n := s.of
	n.moved.Store(n.t.e.now.Load())
	n.mu.Lock()
	n.open--
	last := n.open == 0
	n.mu.Unlock()
	w, ok := s.other.conn.(interface{ CloseWrite() error })
	if last || !ok || w.CloseWrite() != nil {
		n.end()
	}
}

// stale reports whether one side has ended and the other has been silent for
// long: it does not know, or does not care.
func (n *tunnel) stale(before int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open < 2 && n.moved.Load() < before
}

// end closes both connections.
func (n *tunnel) end() {
	n.mu.Lock()
	over := n.over
	n.over = true
	n.mu.Unlock()
	if over {
		return
	}
	n.t.remove(n)
	n.client.conn.Close()
	n.up.conn.Close()
	n.use.end(n.t.e.now.Load())
}
