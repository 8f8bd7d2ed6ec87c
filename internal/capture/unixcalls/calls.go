package unixcalls

import (
	"slices"
	"syscall"
)

// enter notes that a call has begun.
func (a *Assembler) enter(r *record) *call {
	conn, side := a.conn(r)
	c := &call{conn: conn, side: side, entered: r.entered, at: r.enteredAt, from: r.process, descriptors: r.descriptors}
	i := len(conn.calls)
	for i > 0 && conn.calls[i-1].entered > c.entered {
		i--
	}
	conn.calls = slices.Insert(conn.calls, i, c)
	a.active(conn, r)
	if len(conn.calls) > maxWaiting {
		a.overtake(conn)
	}
	return c
}

// active notes that something of a connection was told.
func (a *Assembler) active(c *Conn, r *record) {
	c.last = r.at
	if !c.over {
		a.open.MoveToBack(c.element)
	}
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
	if c.given+uint64(len(c.data)) == r.offset && !c.whole && !c.conn.over {
		c.data = append(c.data, r.payload...)
		a.held += len(r.payload)
	}
}

// abandon lets go of a call of which nothing more is known.
func (a *Assembler) abandon(c *call) {
	a.drop(c)
	c.whole = true
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
	delete(a.to, r.tid)
	if c.from.PID == 0 {
		c.from = r.process
	}
	c.whole, c.known, c.sent, c.position, c.over = true, r.process.PID != 0, r.sent, r.offset, r.written
	c.copied = min(r.copied, r.sent, c.given+uint64(len(c.data)))
	if r.outcome == 0 && c.known {
		a.counts.Calls++
	}
	a.counts.Bytes += c.copied
	a.active(c.conn, r)
	if Type(r.socketType) == Datagram {
		a.refused(c, r)
	}
	switch {
	case c.conn.over:
		a.drop(c)
	case c.early:
		a.late(c)
	default:
		a.deliver(c.conn)
	}
}

// refused reports a datagram that was not taken, as nothing is at its path: there was no
// connect(2) that could fail.
func (a *Assembler) refused(c *call, r *record) {
	switch syscall.Errno(r.errno) {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ECONNREFUSED, syscall.EACCES, syscall.EPERM:
		a.sink.Refused(Attempt{At: c.at, Path: c.conn.Path, Type: Datagram, Process: c.from, Errno: r.errno})
	}
}
