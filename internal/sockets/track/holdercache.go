package track

import (
	"context"
	"net/netip"
	"os"
	"time"

	"lodge/internal/procfs"
	"lodge/internal/sockets"
	"lodge/internal/sockets/holders"
)

// holdersAge is how long holders are taken for known: by then a socket may have
// been passed to another process, or inherited by one, unseen.
const holdersAge = 10 * time.Second

// HolderCache lists sockets often at little cost. The holders are searched for in
// /proc only when there is a socket that was not there before, when a process
// that held one is gone, or when the last search is a while ago; in between, only
// the kernel's table is read: that a socket was passed on to another process is
// noticed after ten seconds at most. It is for one goroutine at a time.
type HolderCache struct {
	list  func(context.Context, sockets.Query) (*sockets.Table, error)
	alive func(*sockets.Process) bool

	// privileged says that /proc shows all there is to see.
	privileged bool

	read      time.Time
	known     map[ownedSocket]owned
	processes []*sockets.Process
	homes     int
	// blind: a search of /proc left owners unknown.
	blind bool
	// busy counts readings that made a search necessary, up to busyMost, and
	// down again with those that did not.
	busy int
	// liveAgain is when the live map may be asked again after it failed.
	liveAgain time.Time
}

// A live map costs its helper something with every process that starts on the
// machine and every socket, looked at or not. It is asked for where it shows
// more than /proc does, or where searches are frequent.
const (
	busyEnough = 5
	busyMost   = 10
)

func (o *HolderCache) wantsLive(now time.Time) bool {
	return (!o.privileged && o.blind || o.busy >= busyEnough) && !now.Before(o.liveAgain)
}

// watchedLive notes whether the live map answered: List does without it, with
// a warning, where it does not.
type watchedLive struct {
	holders.Live
	err error
}

func (w *watchedLive) Owners(ctx context.Context) (*holders.Owners, error) {
	owners, err := w.Live.Owners(ctx)
	w.err = err
	return owners, err
}

// liveRest is how long a live map that does not answer is left alone.
const liveRest = time.Minute

// ownedSocket names a socket: an inode number of sockfs comes again, a cookie
// does not. Where no cookie is known, the ends of a connection name it too.
type ownedSocket struct {
	namespace     uint32
	inode         uint32
	cookie        uint64
	local, remote netip.AddrPort
}

func ownedOf(r *sockets.Row) ownedSocket {
	k := ownedSocket{namespace: r.Namespace, inode: r.Inode, cookie: r.Cookie}
	if r.Cookie == 0 && r.Local != nil && r.Remote != nil {
		k.local, k.remote = r.Local.AddrPort(), r.Remote.AddrPort()
	}
	return k
}

// owned is what a search told of one socket.
type owned struct {
	processes        []*sockets.Process
	unknown          bool
	closed           *sockets.Process
	project, service string
	peer             *sockets.Peer
}

// NewHolderCache returns a cache that knows no holder.
func NewHolderCache() *HolderCache {
	return &HolderCache{list: sockets.List, privileged: os.Geteuid() == 0, alive: func(p *sockets.Process) bool { return procfs.Alive(p.PID, p.Start) }}
}

// List returns the sockets that q asks for, with their holders. It is to be called
// with the same query, but for the homes and the live map.
func (o *HolderCache) List(ctx context.Context, q sockets.Query, now time.Time) (*sockets.Table, error) {
	if o.known != nil && now.Sub(o.read) < holdersAge && o.homes == len(q.Homes) && o.allAlive() {
		cheap := q
		cheap.NoProcesses, cheap.Details, cheap.Live = true, false, nil
		t, err := o.list(ctx, cheap)
		if err != nil {
			return nil, err
		}
		if o.fill(t) {
			o.busy = max(o.busy-1, 0)
			return t, nil
		}
		o.busy = min(o.busy+1, busyMost)
	}
	t, err := o.search(ctx, q, now)
	if err != nil {
		return nil, err
	}
	o.learn(t, now)
	o.homes = len(q.Homes)
	return t, nil
}

// search asks the live map where it is of use, and /proc otherwise.
func (o *HolderCache) search(ctx context.Context, q sockets.Query, now time.Time) (*sockets.Table, error) {
	live := &watchedLive{Live: q.Live}
	q.Live = nil
	var seen *sockets.Table
	if live.Live == nil || !o.wantsLive(now) {
		t, err := o.list(ctx, q)
		if err != nil {
			return nil, err
		}
		o.blind = t.UnknownOwners > 0
		if live.Live == nil || !o.wantsLive(now) {
			return t, nil
		}
		seen = t
	}
	q.Live = live
	t, err := o.list(ctx, q)
	if live.err != nil {
		o.liveAgain = now.Add(liveRest)
		if seen != nil { // what /proc showed is as good, and has no warning
			return seen, nil
		}
	}
	return t, err
}

func (o *HolderCache) allAlive() bool {
	for _, p := range o.processes {
		if !o.alive(p) {
			return false
		}
	}
	return true
}

// learn keeps what a search told.
func (o *HolderCache) learn(t *sockets.Table, now time.Time) {
	o.read, o.known, o.processes = now, make(map[ownedSocket]owned, len(t.Rows)), o.processes[:0]
	seen := map[*sockets.Process]struct{}{}
	for i := range t.Rows {
		r := &t.Rows[i]
		o.known[ownedOf(r)] = owned{r.Processes, r.Unknown, r.Closed, r.Project, r.Service, r.Peer}
		for _, p := range r.Processes {
			if _, ok := seen[p]; !ok {
				seen[p] = struct{}{}
				o.processes = append(o.processes, p)
			}
		}
	}
}

// fill puts what is known into a table without owners. It is false if there is
// a socket that is not known, or one whose peer has changed.
func (o *HolderCache) fill(t *sockets.Table) bool {
	unknown := 0
	for i := range t.Rows {
		r := &t.Rows[i]
		k, ok := o.known[ownedOf(r)]
		switch {
		case !ok && r.Inode == 0:
			continue // no process holds it: TIME_WAIT and the like
		case !ok || (k.peer == nil) != (r.Peer == nil) || k.peer != nil && k.peer.Inode != r.Peer.Inode:
			return false
		}
		r.Processes, r.Unknown, r.Closed, r.Project, r.Service, r.Peer = k.processes, k.unknown, k.closed, k.project, k.service, k.peer
		if r.Unknown {
			unknown++
		}
	}
	t.UnknownOwners = unknown
	return true
}
