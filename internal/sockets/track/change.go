package track

import (
	"net/netip"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

// Kind is what happened to a socket between two tables.
type Kind string

const (
	// Open: the socket was not there before.
	Open Kind = "open"
	// Close: the socket is not there any more.
	Close Kind = "close"
	// State: its state is another, or one of its ends, and perhaps its holders.
	State Kind = "state"
	// Holder: other processes hold it, or its project or service is another.
	Holder Kind = "holder"
)

// Change is one socket that differs between two tables.
type Change struct {
	// Time is when the reading that showed the change began; the change happened
	// between the reading before and this one.
	Time time.Time
	Kind Kind
	// Protocol is tcp, udp or unix.
	Protocol loopback.Protocol
	// Local and Remote are the socket's ends, an IPv4-mapped address as IPv4; the
	// zero AddrPort where there is none, as for a Unix socket.
	Local, Remote netip.AddrPort
	// Path is a Unix socket's, with @ in front of an abstract name.
	Path string
	// State is the newest state that is known, a word of [sockets.States]; Was is
	// the one before, "" for a socket that was opened.
	State, Was string
	// PID and Start (clock ticks since boot) name the process with the lowest id
	// that holds the socket or held it last; PID is zero where none is known.
	PID   int
	Start uint64
	// Command is its command line, or its name where that is not known.
	Command string
	// Project and Service are lodge's, "" for a socket of none.
	Project, Service string

	// Before is nil for a socket that was opened, After for one that was closed.
	// Both are rows of the tables, which must not be changed; keeping them
	// keeps their tables in memory.
	Before, After *sockets.Row
}

// Row returns the newest that is known of the socket.
func (c *Change) Row() *sockets.Row {
	if c.After != nil {
		return c.After
	}
	return c.Before
}

// newChange fills in what the rows say.
func newChange(at time.Time, kind Kind, before, after *sockets.Row) Change {
	c := Change{Time: at, Kind: kind, Before: before, After: after}
	r := c.Row()
	c.Protocol, c.Path, c.State, c.Project, c.Service = r.Protocol, r.Path, r.State, r.Project, r.Service
	if r.Local != nil {
		c.Local = r.Local.AddrPort()
	}
	if r.Remote != nil {
		c.Remote = r.Remote.AddrPort()
	}
	p := holder(r)
	if before != nil {
		c.Was = before.State
		if p == nil {
			p = holder(before)
		}
		if c.Project == "" {
			// A connection in TIME_WAIT has no holder that would name them.
			c.Project, c.Service = before.Project, before.Service
		}
	}
	if p != nil {
		c.PID, c.Start, c.Command = p.PID, p.Start, p.Command
		if c.Command == "" {
			c.Command = p.Name
		}
	}
	return c
}

// holder returns the process that is named for a row, or nil.
func holder(r *sockets.Row) *sockets.Process {
	if len(r.Processes) > 0 {
		return r.Processes[0]
	}
	return r.Closed
}
