package unixcalls

import (
	"container/list"
	"syscall"
	"time"

	"lodge/internal/decode"
)

// Counts says what was read.
type Counts struct {
	// Calls and Bytes were delivered whole, and are what the tap's counts call delivered.
	Calls, Bytes uint64
	// Unsure are bytes that were handed over before their call was over, and of which it
	// said afterwards that it had not sent them.
	Unsure uint64
	// Evicted are connections that were forgotten because there were too many.
	Evicted uint64
	// Unread are bytes of calls that were let go of because too many were under way.
	Unread uint64
}

// Assembler makes connections of records. It is for one goroutine.
type Assembler struct {
	delivery
	sockets map[uint64]*socket
	threads map[uint32]*call
	to      map[uint32]destination // of the calls of threads
	open    list.List              // of *Conn, the one that was idle for longest first
	r       record
	clock   clock
	now     time.Time // of Expire
}

const (
	// patience is how long what was sent later waits for a call to be over. It may wait
	// for a reader that never comes.
	patience = 2 * time.Second
	// maxOpen bounds the connections, maxWaiting the calls of one that wait for another to
	// be over, maxHeld the bytes of calls that are not over.
	maxOpen    = 32768
	maxWaiting = 8192
	maxHeld    = 64 << 20
	// maxSockets bounds what is remembered of sockets of which nothing was sent, maxThreads
	// the destinations of calls whose end was lost.
	maxSockets = 4 * maxOpen
	maxThreads = 65536
)

// New returns an assembler that has seen nothing.
func New(s Sink) *Assembler {
	return &Assembler{delivery: delivery{sink: s}, sockets: map[uint64]*socket{}, threads: map[uint32]*call{}, to: map[uint32]destination{}}
}

// Counts returns what was read.
func (a *Assembler) Counts() Counts { return a.counts }

// Record takes a record of a ring, which is valid during the call.
func (a *Assembler) Record(at time.Time, b []byte) error {
	r := &a.r
	if err := r.parse(at, b); err != nil {
		return err
	}
	a.clock.set(r)
	switch r.kind {
	case kindSocket:
		a.describe(r)
	case kindData:
		a.data(r)
	case kindDone:
		a.done(r)
	case kindSkipped:
		c := a.enter(r)
		a.end(c, r)
	case kindConnecting:
		a.socket(r.id).connecting = &Attempt{At: r.enteredAt, Path: r.path(), Type: Type(r.socketType), Process: r.process}
	case kindConnected:
		a.connected(r)
	case kindShutdown:
		a.shutdown(r)
	}
	return nil
}

// socket returns what is known of a socket.
func (a *Assembler) socket(id uint64) *socket {
	s := a.sockets[id]
	if s == nil {
		if len(a.sockets) >= maxSockets {
			for id, s := range a.sockets {
				if s.conn == nil && s.to == nil {
					delete(a.sockets, id)
				}
			}
		}
		s = &socket{}
		a.sockets[id] = s
	}
	return s
}

// describe notes what a socket is.
func (a *Assembler) describe(r *record) {
	s := a.socket(r.id)
	if r.flags&flagDestination != 0 {
		if len(a.to) >= maxThreads {
			clear(a.to)
		}
		a.to[r.tid] = destination{r.entered, r.path()}
		s.inode = r.inode
		return
	}
	s.path, s.flags, s.inode, s.peerInode, s.peerPID = r.path(), r.flags, r.inode, r.peerInode, r.peerPID
	if s.conn != nil {
		s.conn.learn(r.id, s)
	}
}

// learn adds what is known of the socket id.
func (c *Conn) learn(id uint64, s *socket) {
	side := decode.Client
	if c.ids[decode.Server] == id {
		side = decode.Server
	}
	c.foreign[side] = c.foreign[side] || s.flags&flagForeign != 0
	c.foreign[side.Other()] = c.foreign[side.Other()] || s.flags&flagForeignPeer != 0
	if s.inode != 0 {
		c.inodes[side] = s.inode
	}
	if s.peerInode != 0 {
		c.inodes[side.Other()] = s.peerInode
	}
	if c.Path == "" {
		c.Path = s.path
	}
	switch {
	case s.peerPID == 0:
	case side == decode.Client:
		c.PeerPID = s.peerPID
	default:
		c.ClientPID = s.peerPID
	}
}

// conn returns the connection of a record, and which side has sent.
func (a *Assembler) conn(r *record) (*Conn, decode.Side) {
	s := a.socket(r.id)
	if r.peer == 0 || Type(r.socketType) == Datagram {
		return a.datagrams(r, s), decode.Client
	}
	if c := s.conn; c != nil {
		switch r.peer {
		case c.ids[decode.Server]:
			return c, decode.Client
		case c.ids[decode.Client]:
			return c, decode.Server
		}
		a.finish(c, r.at, decode.Stopped) // its other end is another one by now
	}
	p := a.socket(r.peer)
	c := &Conn{Type: Type(r.socketType), At: r.enteredAt, Midstream: true, ids: [2]uint64{r.id, r.peer}}
	side := decode.Client
	switch {
	case s.connecting != nil:
		c.begun(s.connecting)
	case p.connecting != nil:
		side = decode.Server
		c.begun(p.connecting)
	case s.flags&flagServer != 0, s.flags&flagClient == 0 && p.flags&flagClient != 0:
		side = decode.Server
		c.ClientKnown = true
	case s.flags&flagClient != 0, p.flags&flagServer != 0:
		c.ClientKnown = true
	}
	if side == decode.Server {
		c.ids = [2]uint64{r.peer, r.id}
	}
	a.begin(c, s, p, r)
	return c, side
}

// begun notes that a connection was seen from its begin.
func (c *Conn) begun(by *Attempt) {
	c.At, c.Path, c.By, c.ClientKnown, c.Midstream = by.At, by.Path, by.Process, true, false
}

// begin opens a connection of two sockets.
func (a *Assembler) begin(c *Conn, s, p *socket, r *record) {
	for _, x := range []*socket{s, p} {
		if x.conn != nil {
			a.finish(x.conn, r.at, decode.Stopped)
		}
	}
	// What has just ended may have let go of them.
	a.sockets[r.id], a.sockets[r.peer] = s, p
	for _, x := range []struct {
		id uint64
		*socket
	}{{r.id, s}, {r.peer, p}} {
		x.conn = c
		c.learn(x.id, x.socket)
		side := decode.Client
		if x.id == c.ids[decode.Server] {
			side = decode.Server
		}
		c.flows[side].expected = x.sent
	}
	a.opened(c)
}

func (a *Assembler) opened(c *Conn) {
	if a.open.Len() >= maxOpen {
		oldest := a.open.Front().Value.(*Conn)
		a.counts.Evicted++
		a.finish(oldest, oldest.last, decode.Stopped)
	}
	c.last = c.At
	c.element = a.open.PushBack(c)
	a.sink.Open(c)
}

// datagrams returns the connection of what a socket sends to a path.
func (a *Assembler) datagrams(r *record, s *socket) *Conn {
	path := ""
	if r.peer != 0 { // it is connected
		path = s.path
	} else if to := a.to[r.tid]; to.entered == r.entered {
		path = to.path
	}
	if c := s.to[path]; c != nil {
		return c
	}
	c := &Conn{Type: Type(r.socketType), At: r.enteredAt, Path: path, ClientKnown: true, Midstream: true, ids: [2]uint64{r.id, 0}}
	c.inodes[decode.Client] = s.inode
	if s.to == nil {
		s.to = map[string]*Conn{}
	}
	s.to[path] = c
	a.opened(c)
	a.sockets[r.id] = s // what has just ended may have let go of it
	return c
}

// finish ends a connection, and what was not over.
func (a *Assembler) finish(c *Conn, at time.Time, how decode.End) {
	for i, one := range c.calls {
		if one.whole {
			a.give(one, c.calls[i+1:])
			continue
		}
		a.drop(one)
	}
	c.calls, c.over = nil, true
	a.open.Remove(c.element)
	for side, id := range c.ids {
		a.settle(c, decode.Side(side), nil)
		a.endSide(c, decode.Side(side), at, how)
		s := a.sockets[id]
		if s == nil || s.conn != c && s.to[c.Path] != c {
			continue
		}
		delete(s.to, c.Path)
		if s.conn == c {
			s.conn = nil
			s.sent = c.flows[side].expected
		}
		// Of one that goes on it is remembered how much it has sent.
		if len(s.to) == 0 && (s.sent == 0 || how == decode.Closed) {
			delete(a.sockets, id)
		}
	}
}

// connected notes the end of connect(2).
func (a *Assembler) connected(r *record) {
	s := a.socket(r.id)
	try := s.connecting
	if r.errno == 0 && r.peer != 0 && Type(r.socketType) != Datagram {
		if try == nil {
			try = &Attempt{At: r.enteredAt, Process: r.process, Type: Type(r.socketType)}
			s.connecting = try
		}
		s.inode, s.peerPID, s.flags = r.inode, r.peerPID, r.flags
		c, _ := a.conn(r)
		c.learn(r.id, s)
		s.connecting = nil
		return
	}
	s.connecting = nil
	if r.errno != 0 {
		a.counts.Calls++
	}
	if try == nil {
		try = &Attempt{At: r.enteredAt, Process: r.process, Type: Type(r.socketType)}
	}
	switch syscall.Errno(r.errno) {
	case 0, syscall.EINPROGRESS, syscall.EALREADY, syscall.EISCONN, syscall.EINTR, syscall.EINVAL, errRestart:
		return // it is tried again, or is no attempt
	}
	try.Errno = r.errno
	a.sink.Refused(*try)
}

// errRestart is ERESTARTSYS, with which a call ends that a signal has interrupted and that
// is made once more (include/linux/errno.h).
const errRestart = syscall.Errno(512)

// shutdown notes shutdown(2), in its order among what was sent.
func (a *Assembler) shutdown(r *record) {
	if r.sent == syscall.SHUT_RD || r.peer == 0 {
		return
	}
	c := a.enter(r)
	c.whole, c.shutdown = true, true
	a.deliver(c.conn)
}
