package unixcalls

import (
	"slices"
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
	sink    Sink
	sockets map[uint64]*socket
	threads map[uint32]*call
	open    map[*Conn]struct{}
	held    int // bytes of calls
	counts  Counts
	r       record
	clock   clock
}

const (
	// patience is how long what was sent later waits for a call to be over. It may wait
	// for a reader that never comes.
	patience = 2 * time.Second
	// maxOpen bounds the connections, maxHeld the bytes of calls that are not over.
	maxOpen = 32768
	maxHeld = 64 << 20
	// maxSockets bounds what is remembered of sockets of which nothing was sent.
	maxSockets = 4 * maxOpen
)

// New returns an assembler that has seen nothing.
func New(s Sink) *Assembler {
	return &Assembler{sink: s, sockets: map[uint64]*socket{}, threads: map[uint32]*call{}, open: map[*Conn]struct{}{}}
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
				if s.conn == nil && s.to == nil && s.connecting == nil {
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
		s.destination, s.inode = r.path(), r.inode
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
	if side == decode.Client && s.peerPID != 0 {
		c.PeerPID = s.peerPID
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
	c.At, c.Path, c.ClientKnown, c.Midstream = by.At, by.Path, true, false
}

// begin opens a connection of two sockets.
func (a *Assembler) begin(c *Conn, s, p *socket, r *record) {
	for _, x := range []*socket{s, p} {
		if x.conn != nil {
			a.finish(x.conn, r.at, decode.Stopped)
		}
	}
	s.conn, p.conn = c, c
	c.learn(r.id, s)
	c.learn(r.peer, p)
	a.opened(c)
}

func (a *Assembler) opened(c *Conn) {
	if len(a.open) >= maxOpen { // the one that was idle for longest ends
		var oldest *Conn
		for c := range a.open {
			if oldest == nil || c.last.Before(oldest.last) {
				oldest = c
			}
		}
		a.counts.Evicted++
		a.finish(oldest, oldest.last, decode.Stopped)
	}
	c.last = c.At
	a.open[c] = struct{}{}
	a.sink.Open(c)
}

// datagrams returns the connection of what a socket sends to a path.
func (a *Assembler) datagrams(r *record, s *socket) *Conn {
	path := s.destination
	if r.peer != 0 { // it is connected
		path = s.path
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
	return c
}

// enter notes that a call has begun.
func (a *Assembler) enter(r *record) *call {
	conn, side := a.conn(r)
	c := &call{conn: conn, side: side, entered: r.entered, at: r.enteredAt, from: r.process, descriptors: r.descriptors}
	i := len(conn.calls)
	for i > 0 && conn.calls[i-1].entered > c.entered {
		i--
	}
	conn.calls = slices.Insert(conn.calls, i, c)
	conn.last = r.at
	return c
}

// data takes bytes of a call.
func (a *Assembler) data(r *record) {
	c := a.threads[r.tid]
	if c != nil && c.entered != r.entered {
		// Its end was lost: the kernel counted it so, and what follows tells how much it was.
		a.abandon(c)
		c = nil
	}
	if c == nil {
		c = a.enter(r)
		a.threads[r.tid] = c
	}
	if r.flags&flagFirst != 0 {
		c.from, c.descriptors = r.process, r.descriptors
	}
	if a.held+len(r.payload) > maxHeld {
		a.counts.Unread += uint64(len(r.payload))
		return
	}
	if uint64(len(c.data)) == r.offset && !c.whole && !c.conn.over {
		c.data = append(c.data, r.payload...)
		a.held += len(r.payload)
	}
}

// abandon lets go of a call of which nothing more is known.
func (a *Assembler) abandon(c *call) {
	a.held -= len(c.data)
	c.data, c.whole = nil, true
	a.deliver(c.conn)
}

// done ends a call.
func (a *Assembler) done(r *record) {
	c := a.threads[r.tid]
	if c == nil || c.entered != r.entered {
		if r.sent == 0 && r.copied == 0 && r.socketType == uint8(Stream) {
			return
		}
		c = a.enter(r)
	}
	delete(a.threads, r.tid)
	a.end(c, r)
}

// end notes what a call has sent.
func (a *Assembler) end(c *call, r *record) {
	if c.from.PID == 0 {
		c.from = r.process
	}
	c.whole, c.known, c.sent, c.position = true, r.process.PID != 0, r.sent, r.offset
	c.copied = min(r.copied, r.sent, uint64(len(c.data)))
	if r.outcome == 0 && c.known {
		a.counts.Calls++
	}
	a.counts.Bytes += c.copied
	c.conn.last = r.at
	if c.conn.over {
		return
	}
	if c.given > 0 && !slices.Contains(c.conn.calls, c) {
		a.late(c)
		return
	}
	a.deliver(c.conn)
}

// late hands over the rest of a call that was handed over before it was over.
func (a *Assembler) late(c *call) {
	a.held -= len(c.data)
	if c.copied < uint64(c.given) {
		a.counts.Unsure += uint64(c.given) - c.copied
		return
	}
	c.conn.missing[c.side] += int64(c.sent - c.copied)
	if rest := c.data[c.given:c.copied]; len(rest) > 0 {
		a.piece(c, rest)
	}
}

// deliver hands over what is complete, up to the first call that is not over.
func (a *Assembler) deliver(conn *Conn) {
	n := 0
	for n < len(conn.calls) && conn.calls[n].whole {
		a.give(conn.calls[n])
		n++
	}
	conn.calls = slices.Delete(conn.calls, 0, n)
}

func (a *Assembler) give(c *call) {
	conn, side := c.conn, c.side
	a.held -= len(c.data)
	if c.shutdown {
		a.endSide(conn, side, c.at, decode.Closed)
		return
	}
	if !c.known || conn.ended[side] {
		return
	}
	if c.position > conn.expected[side] {
		conn.missing[side] += int64(c.position - conn.expected[side])
	}
	conn.expected[side] = max(conn.expected[side], c.position) + c.sent
	if c.copied > 0 || c.sent == 0 && conn.Type != Stream {
		a.piece(c, c.data[:c.copied])
	}
	if conn.missing[side] += int64(c.sent - c.copied); conn.missing[side] > 0 {
		a.piece(c, nil) // what waits for these bytes need not wait any more
	}
}

func (a *Assembler) piece(c *call, b []byte) {
	p := Piece{At: c.at, From: c.from, Missing: c.conn.missing[c.side], Descriptors: c.descriptors, Data: b}
	c.conn.missing[c.side] = 0
	a.sink.Data(c.conn, c.side, p)
}

// endSide reports that a side sends no more.
func (a *Assembler) endSide(c *Conn, s decode.Side, at time.Time, how decode.End) {
	if c.ended[s] {
		return
	}
	c.ended[s] = true
	a.sink.End(c, s, at, c.missing[s], how)
	c.missing[s] = 0
}

// finish ends a connection, and what was not over.
func (a *Assembler) finish(c *Conn, at time.Time, how decode.End) {
	for _, one := range c.calls {
		if one.whole {
			a.give(one)
			continue
		}
		a.held -= len(one.data)
		one.data = nil
	}
	c.calls, c.over = nil, true
	for _, s := range []decode.Side{decode.Client, decode.Server} {
		a.endSide(c, s, at, how)
	}
	delete(a.open, c)
	for _, id := range c.ids {
		if s := a.sockets[id]; s != nil && (s.conn == c || s.to[c.Path] == c) {
			delete(s.to, c.Path)
			if s.conn == c {
				s.conn = nil
			}
			if len(s.to) == 0 {
				delete(a.sockets, id)
			}
		}
	}
}

// connected notes the end of connect(2).
func (a *Assembler) connected(r *record) {
	s := a.socket(r.id)
	try := s.connecting
	if r.errno == 0 && r.peer != 0 {
		if try == nil {
			try = &Attempt{At: r.enteredAt, Process: r.process, Type: Type(r.socketType)}
			s.connecting = try
		}
		s.inode, s.peerPID = r.inode, r.peerPID
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
	case 0, syscall.EAGAIN, syscall.EINPROGRESS, syscall.EALREADY, syscall.EISCONN, syscall.EINTR, syscall.EINVAL, 512: // ERESTARTSYS
		return // it is tried again, or is no attempt
	}
	try.Errno = r.errno
	a.sink.Refused(*try)
}

// shutdown notes shutdown(2), in its order among what was sent.
func (a *Assembler) shutdown(r *record) {
	if r.sent == syscall.SHUT_RD || r.peer == 0 {
		return
	}
	c := a.enter(r)
	c.whole, c.shutdown = true, true
	a.deliver(c.conn)
}
