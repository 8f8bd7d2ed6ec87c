package unixcalls

import (
	"container/list"
	"slices"
	"syscall"
	"time"

	"lodge/internal/decode"
)

// Expire hands over what has waited too long for a call to be over: that one's bytes
// first, as far as they are known, since they were answered. All records that were written
// by the time now must have been given.
func (a *Assembler) Expire(now time.Time) {
	a.now = now
	a.each(func(c *Conn) {
		for len(c.calls) > 1 && now.Sub(c.calls[0].at) > patience && slices.ContainsFunc(c.calls, func(x *call) bool { return x.whole }) {
			a.overtake(c)
		}
	})
	// The end of such a call was lost, and its thread may never make another one.
	for tid, c := range a.threads {
		if c.conn.over && now.Sub(c.at) > patience {
			a.drop(c)
			delete(a.threads, tid)
		}
	}
}

// each calls f for each open connection, which may end it.
func (a *Assembler) each(f func(c *Conn)) {
	var next *list.Element
	for e := a.open.Front(); e != nil; e = next {
		next = e.Next()
		f(e.Value.(*Conn))
	}
}

// Open reports whether connections are open whose end has to be looked for.
func (a *Assembler) Open() bool { return a.open.Len() > 0 }

// Gone ends the connections whose sockets are not among those that exist, by their
// inodes, of the tap's network namespace. It is as of the time at: all records that were
// written until then must have been given, and what was active since is left alone.
func (a *Assembler) Gone(at time.Time, exists map[uint32]bool) {
	a.each(func(c *Conn) {
		if !c.last.Before(at) {
			return
		}
		known, gone := 0, 0
		for _, s := range []decode.Side{decode.Client, decode.Server} {
			if c.inodes[s] == 0 || c.foreign[s] {
				continue
			}
			known++
			if exists[c.inodes[s]] {
				continue
			}
			gone++
			// A call on a socket keeps it: it is over, and its end was lost.
			for _, one := range slices.Clone(c.calls) {
				if one.side == s && !one.whole {
					a.abandon(one)
				}
			}
			if !slices.ContainsFunc(c.calls, func(x *call) bool { return x.side == s }) {
				a.endSide(c, s, at, decode.Closed)
			}
		}
		if known > 0 && gone == known || c.flows[0].ended && c.flows[1].ended {
			a.finish(c, at, decode.Closed)
		}
	})
}

// Close ends all connections, as the recording has ended.
func (a *Assembler) Close() {
	open := make([]*Conn, 0, a.open.Len())
	a.each(func(c *Conn) { open = append(open, c) })
	slices.SortFunc(open, func(x, y *Conn) int { return x.At.Compare(y.At) })
	for _, c := range open {
		a.finish(c, c.last, decode.Stopped)
	}
	var waiting []*Attempt
	for _, s := range a.sockets {
		if try := s.connecting; try != nil && a.now.Sub(try.At) > patience {
			waiting = append(waiting, try)
		}
	}
	slices.SortFunc(waiting, func(x, y *Attempt) int { return x.At.Compare(y.At) })
	for _, try := range waiting {
		try.Errno = uint32(syscall.EINPROGRESS)
		a.sink.Refused(*try)
	}
	for _, c := range a.threads {
		a.drop(c)
	}
	clear(a.sockets)
	clear(a.threads)
	clear(a.to)
}
