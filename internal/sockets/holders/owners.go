package holders

import (
	"context"
	"errors"
	"math/bits"
	"net/netip"
	"slices"
	"sync"
	"time"

	"lodge/internal/loopback"
)

// ErrNoLive says that there is no live map to ask.
var ErrNoLive = errors.New("there is no live map of sockets")

// Live is a map of sockets to processes that is kept all the time: it answers
// without reading /proc. Where there is no such map the error is ErrNoLive, which
// is no failure.
type Live interface {
	Owners(ctx context.Context) (*Owners, error)
}

// Owners is what a Live map says: for each socket inode the processes that
// hold it, and the last owners of sockets that are gone. It is made by NewOwners and
// not changed after; any number of goroutines may ask.
//
// It is flat tables and no Go map, since a map of 200,000 entries takes longer
// to fill than the kernel to list the sockets.
type Owners struct {
	// Processes are those that hold a socket. PID, Start, Name, UID and
	// ParentPID are told; the reader finds the rest in /proc, with its own
	// rights.
	Processes []*Process
	// Holdings say which holds which, those of one process together.
	Holdings []Holding
	// Unreadable counts the sockets that processes hold which have no id in the
	// map's pid namespace: with some, a socket without holders may have one.
	Unreadable int
	// Closed returns the last owners of connections that no process holds, or is nil.
	// It is called once, when they are first asked for. Of these the command line is
	// told as well, where the map saw it.
	Closed func() map[Ends]LastOwner
	// Warnings say what the map may have missed, one line each.
	Warnings []string

	opens   bool      // one of Holdings is known to be opened
	index   sync.Once // makes what follows, at the first question
	slots   []slot    // open addressing, a power of two, at most half full
	shift   uint      // 32 less the power
	holders []int32   // of each inode together, indexes into Processes

	closing sync.Once // makes closed, at the first question
	closed  map[Ends]LastOwner
}

// slot is an inode's place in the table. An empty one has inode 0, which no
// socket has.
type slot struct {
	inode, at, n uint32
	opened       int64
}

// Holding says that a process holds a socket.
type Holding struct {
	Inode uint32
	// Process is an index into Owners.Processes.
	Process uint32
	// Opened is the time at which the connection was made or the socket began
	// to listen, in nanoseconds since 1970; zero where it is not known.
	Opened int64
}

// Ends are the two ends of a connection, with IPv4-mapped addresses unmapped.
type Ends struct {
	Protocol loopback.Protocol
	// Namespace is the inode number of the network namespace.
	Namespace     uint32
	Local, Remote netip.AddrPort
}

// LastOwner is the process that had a connection last, and since when it has none.
type LastOwner struct {
	Process *Process
	At      time.Time
}

// LastOwner returns the process that had a connection last; its Process is nil where
// that is not known.
func (o *Owners) LastOwner(e Ends) LastOwner {
	if o.Closed == nil {
		return LastOwner{}
	}
	o.closing.Do(func() { o.closed = o.Closed() })
	return o.closed[e]
}

// NewOwners makes the table of holdings, in which a pair may be double.
// Holdings of inode 0 and of processes that are not there are left out. It
// keeps both slices.
func NewOwners(processes []*Process, holdings []Holding) *Owners {
	holdings = slices.DeleteFunc(holdings, func(h Holding) bool {
		return h.Inode == 0 || int64(h.Process) >= int64(len(processes))
	})
	opens := slices.ContainsFunc(holdings, func(h Holding) bool { return h.Opened != 0 })
	return &Owners{Processes: processes, Holdings: holdings, opens: opens}
}

func (o *Owners) makeIndex() {
	holdings := o.Holdings
	size := bits.Len(uint(2*len(holdings) + 1))
	o.slots, o.shift = make([]slot, 1<<size), uint(32-size)
	for i := range holdings {
		h := &holdings[i]
		s := o.slot(h.Inode)
		s.inode = h.Inode
		s.n++
		if h.Opened != 0 {
			s.opened = h.Opened
		}
	}
	var at uint32
	for i := range o.slots {
		s := &o.slots[i]
		s.at, at, s.n = at, at+s.n, 0
	}
	o.holders = make([]int32, at)
	for i := range holdings {
		h := &holdings[i]
		s := o.slot(h.Inode)
		if !contains(o.holders[s.at:s.at+s.n], int32(h.Process)) {
			o.holders[s.at+s.n] = int32(h.Process)
			s.n++
		}
	}
}

func contains(list []int32, x int32) bool {
	for _, y := range list {
		if x == y {
			return true
		}
	}
	return false
}

// slot returns the inode's place, or the empty one where it would go.
func (o *Owners) slot(inode uint32) *slot {
	mask := uint32(len(o.slots) - 1)
	// Inode numbers come one after the other: Fibonacci hashing spreads them.
	for i := inode * 2654435769 >> o.shift; ; i++ {
		s := &o.slots[i&mask]
		if s.inode == inode || s.inode == 0 {
			return s
		}
	}
}

// Holders returns the processes that hold the socket with that inode number, as
// indexes into Processes. The caller does not change it.
func (o *Owners) Holders(inode uint32) []int32 {
	if inode == 0 || len(o.Holdings) == 0 {
		return nil
	}
	o.index.Do(o.makeIndex)
	s := o.slot(inode)
	return o.holders[s.at : s.at+s.n : s.at+s.n]
}

// OpenedAt reports when the connection was made or the socket began to listen,
// where the map saw it.
func (o *Owners) OpenedAt(inode uint32) (time.Time, bool) {
	if inode == 0 || !o.opens {
		return time.Time{}, false
	}
	o.index.Do(o.makeIndex)
	s := o.slot(inode)
	if s.inode == 0 || s.opened == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, s.opened).UTC(), true
}
