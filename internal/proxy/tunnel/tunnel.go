package tunnel

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"lodge/internal/proxy/socket"
)

// tunnel joins a client and a service after 101 Switching Protocols, mostly
// for a WebSocket. Most tunnels are silent most of the time, and there may be
// thousands of them: a silent one has no goroutine and no buffer. epoll tells which
// have something to read (set.go), and then a goroutine moves what there is.
type tunnel struct {
	t       *Set
	ended   func() // called once
	client  side
	service side

	moved atomic.Int64 // when something came last, on the clock of the set

	mu   sync.Mutex // guards what follows
	open int        // directions that have not ended
	over bool
}

// side is one end of a tunnel: what is read from it is written to the other.
type side struct {
	conn  net.Conn        // to write to and to close
	read  io.Reader       // returns socket.ErrNothing where there is nothing to read now
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

func (r instantReader) Read(b []byte) (int, error) { return socket.ReadNow(r.raw, b) }

// End is a connection that is to be joined with another.
type End struct {
	Conn   net.Conn     // to write to and to close: Socket, or TLS over it
	Socket *socket.Conn // what Conn reads from
}

func (s *side) open(e End, of *tunnel, other *side) {
	s.conn, s.raw, s.of, s.other, s.read = e.Conn, e.Socket.Raw, of, other, instantReader{e.Socket.Raw}
	if secure, ok := e.Conn.(*tls.Conn); ok {
		e.Socket.Instant = true
		s.read = secure
	}
}

// Join makes a tunnel of two connections, and closes them when it ends. ended is
// called then.
func (t *Set) Join(client, service End, ended func()) {
	n := &tunnel{t: t, ended: ended, open: 2}
	n.client.open(client, n, &n.service)
	n.service.open(service, n, &n.client)
	if err := t.add(n); err != nil {
		n.end()
		return
	}
	// Something may have come before epoll looked.
	n.client.wake()
	n.service.wake()
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
	t := s.of.t
	block := t.buffers.Block()
	defer t.buffers.PutBlock(block)
	for {
		n, err := s.read.Read(block[:])
		if n > 0 {
			s.of.moved.Store(t.clock.Load())
			s.other.conn.SetWriteDeadline(time.Now().Add(t.stall)) // where it fails, so does Write
			if _, err := s.other.conn.Write(block[:n]); err != nil {
				s.of.end()
				return true
			}
		}
		if errors.Is(err, socket.ErrNothing) {
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
	n.moved.Store(n.t.clock.Load())
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
	n.service.conn.Close()
	n.ended()
}
