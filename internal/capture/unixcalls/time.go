package unixcalls

import (
	"slices"
	"time"

	"lodge/internal/decode"
)

// Expire hands over what has waited too long for a call to be over: that one's bytes
// first, as far as they are known, since they were answered.
func (a *Assembler) Expire(now time.Time) {
	for c := range a.open {
		for len(c.calls) > 1 && now.Sub(c.calls[0].at) > patience && slices.ContainsFunc(c.calls, func(x *call) bool { return x.whole }) {
			first := c.calls[0]
			c.calls = c.calls[1:]
			if len(first.data) > 0 && !c.ended[first.side] {
				first.given = len(first.data)
				c.expected[first.side] += uint64(first.given)
				a.piece(first, first.data)
			}
			a.deliver(c)
		}
	}
}

// Open reports whether connections are open whose end has to be looked for.
func (a *Assembler) Open() bool { return len(a.open) > 0 }

// Gone ends the connections whose sockets are not among those that exist, by their
// inodes, of the tap's network namespace. It is as of the time at; what was active since
// is left alone.
func (a *Assembler) Gone(at time.Time, exists map[uint32]bool) {
	for c := range a.open {
		if !c.last.Before(at) || len(c.calls) > 0 {
			continue
		}
		known, gone := 0, 0
		for _, s := range []decode.Side{decode.Client, decode.Server} {
			if c.inodes[s] == 0 || c.foreign[s] {
				continue
			}
			known++
			if !exists[c.inodes[s]] {
				gone++
				a.endSide(c, s, at, decode.Closed)
			}
		}
		if known > 0 && gone == known || c.ended[0] && c.ended[1] {
			a.finish(c, at, decode.Closed)
		}
	}
}

// Close ends all connections, as the recording has ended.
func (a *Assembler) Close() {
	open := make([]*Conn, 0, len(a.open))
	for c := range a.open {
		open = append(open, c)
	}
	slices.SortFunc(open, func(x, y *Conn) int { return x.At.Compare(y.At) })
	for _, c := range open {
		a.finish(c, c.last, decode.Stopped)
	}
}
