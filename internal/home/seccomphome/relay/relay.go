// Package relay leads connections to a home's services through this process while
// somebody taps them, so that a tap sees their bytes without any privilege.
//
//	program ── entry of the service ── conn ── service
//	           (a loopback listener)     │
//	                                     └── queue ── feed of each Tap
//
// The supervisor asks before it connects a program's socket: [Relay.Open] connects to the
// service first, so that a connect that is refused is refused to the program by the
// service's own port, and then names the entry to which the program's socket is to be
// connected. What the program is to be shown for its peer, [Relay.Real] tells, and for its
// own address, [Passage]: the one that the service sees. A socket that is bound shares its
// address with the relay's.
//
// A connection outlives the taps that it was led here for: its bytes are copied to its
// end, and new ones are direct. Nothing waits for a tap: what finds no place in its queue
// is counted and left out. Buffers are bounded: of each direction at most one read is
// held, and only while it cannot be written, so that TCP's own flow control holds.
//
// Multipath TCP, TCP Fast Open and what is not TCP do not come here.
package relay

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home/feed"
)

// Relay is that of one home. Its methods may be called from several goroutines.
type Relay struct {
	limit int // of connections
	// patience is how long a program is waited for whose socket is not connected yet.
	patience time.Duration
	buffers  sync.Pool
	on       atomic.Bool // there is a tap
	used     atomic.Bool // there was one
	running  sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the fields of entries
	closed  bool
	taps    []*Tap
	entries map[netip.AddrPort]*entry // by the service's address: those that accept
	real    map[netip.AddrPort]*entry // by the entry's own address: also those that only have connections
	conns   map[*conn]struct{}
	last    uint64 // connection
}

const (
	// bufferSize is how much is read at once.
	bufferSize = 32 << 10
	// maxConns bounds the connections whatever descriptors there are, for the memory
	// that each takes.
	maxConns = 8192
	// maxEntries bounds the services that have connections.
	maxEntries = 256
	// maxTaps bounds the taps, for the memory that each takes.
	maxTaps = 16
	// patience is longer than the kernel tries to connect: about two minutes
	// (tcp(7), tcp_syn_retries).
	patience = 150 * time.Second
)

// New returns a relay that leads nothing.
func New() *Relay {
	r := &Relay{
		limit: maxConns, patience: patience, entries: map[netip.AddrPort]*entry{}, real: map[netip.AddrPort]*entry{}, conns: map[*conn]struct{}{},
	}
	r.buffers.New = func() any { return new([bufferSize]byte) }
	var files unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil {
		// A connection has two. Half of all stay for what the home does otherwise.
		r.limit = int(min(maxConns, files.Cur/4))
	}
	return r
}

// On reports whether connections are to be led here.
func (r *Relay) On() bool { return r.on.Load() }

// Real returns the address of the service to which a connection to at is led. ok is
// false where at is no entry of the relay.
func (r *Relay) Real(at netip.AddrPort) (service netip.AddrPort, ok bool) {
	if !r.used.Load() {
		return at, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.real[netip.AddrPortFrom(at.Addr().Unmap(), at.Port())]
	if e == nil {
		return at, false
	}
	return e.to, true
}

// Tap gives a tap what is connected from now on, until the other end of out is closed for
// writing. It owns out.
func (r *Relay) Tap(out *net.UnixConn) error {
	r.mu.Lock()
	if r.closed || len(r.taps) >= maxTaps {
		err := errors.New("the home is closed")
		if !r.closed {
			err = feed.ErrTooMany
		}
		r.mu.Unlock()
		return errors.Join(err, out.Close())
	}
	t := newTap(out)
	t.begin()
	r.taps = append(slices.Clip(r.taps), t)
	r.on.Store(true)
	r.used.Store(true)
	r.running.Go(t.write)
	r.running.Go(func() {
		t.awaitEnd()
		r.drop(t)
	})
	r.mu.Unlock()
	return nil
}

// drop ends a tap. Without one, nothing more is led here.
func (r *Relay) drop(t *Tap) {
	r.mu.Lock()
	r.taps = slices.DeleteFunc(slices.Clone(r.taps), func(x *Tap) bool { return x == t })
	if len(r.taps) == 0 {
		r.on.Store(false)
		for _, e := range r.entries {
			e.retired = true
			r.tidy(e)
		}
	}
	r.mu.Unlock()
	t.end()
}

// now returns the taps that there are.
func (r *Relay) now() []*Tap {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.taps
}

// Refused tells the taps of a connect that was refused.
func (r *Relay) Refused(o feed.Opening) {
	at, payload := moment(), encode(o)
	for _, t := range r.now() {
		t.put(feed.Header{Kind: feed.Refused, At: at}, payload, 0)
	}
}

// Lost counts a connection that was made without the relay, for a reason of package feed.
func (r *Relay) Lost(why string) {
	for _, t := range r.now() {
		t.lose(why, 0)
	}
}

// Outside counts a connection to the machine's own localhost.
func (r *Relay) Outside() {
	for _, t := range r.now() {
		t.outside()
	}
}

// Close ends all: the taps get their counts, and what is open is closed.
func (r *Relay) Close() {
	r.mu.Lock()
	r.closed = true
	r.on.Store(false)
	taps := r.taps
	for _, e := range r.entries {
		_ = e.ln.Close() // nothing was written to it
		for _, c := range e.pending {
			c.close()
		}
		e.settled.Broadcast()
	}
	for c := range r.conns {
		c.close()
	}
	r.mu.Unlock()
	for _, t := range taps {
		t.hurry()
		t.end()
	}
	r.running.Wait()
}
