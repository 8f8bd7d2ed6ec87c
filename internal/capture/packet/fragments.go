package packet

import (
	"errors"
	"net/netip"
	"slices"
	"time"
)

// Fragments puts the fragments of IP datagrams together (RFC 791 section 3.2, RFC 8200
// section 4.5). The zero Fragments is ready. It holds at most 1024 datagrams and 4 MiB;
// where there are more, and after 30 seconds, it drops the oldest ones. Those of which
// fragments overlap are dropped (RFC 5722), as Linux does it, and so are those of which a
// fragment was cut by the capture.
type Fragments struct {
	open  map[datagramKey]*datagram
	order []*datagram // by their first fragments; those that are done are left out later
	held  int         // bytes
	// dropped are fragments of datagrams that were given up.
	dropped uint64
}

// Bounds of what is held.
const (
	maxDatagrams   = 1024
	maxHeld        = 4 << 20
	maxDatagram    = 1 << 16
	fragmentExpiry = 30 * time.Second
)

// datagramKey says which fragments belong together.
type datagramKey struct {
	src, dst netip.Addr
	proto    uint8 // of IPv6: the header behind the fragment's
	id       uint32
}

// part says which one a fragment is.
type part struct {
	of     datagramKey
	offset int
	more   bool // it is not the last one
}

// datagram has the fragments of a datagram that is not complete.
type datagram struct {
	key    datagramKey
	at     time.Time // of its first fragment
	data   []byte
	spans  []span // that are there, in no order
	have   int    // bytes
	total  int    // -1: not known
	pieces uint64 // fragments
	done   bool
}

type span struct{ from, to int }

// ErrHeld is that a frame is a fragment which is held until the others of its datagram
// come.
var ErrHeld = errors.New("IP packet is a fragment, of which others are still to come")

// Parse is [Parse] with fragments: the last one of a datagram makes it complete. Until
// then it returns [ErrHeld]; [ErrFragment] for one that cannot be used.
func (f *Fragments) Parse(link LinkType, data []byte, origLen int, p *Packet) error {
	g := frame{data: data, wire: max(origLen, len(data))}
	src, dst, proto, err := g.network(link)
	switch {
	case err == ErrFragment:
		return f.add(&g, p)
	case err != nil:
		return err
	}
	return g.transport(src, dst, proto, p)
}

// IsFragment reports whether a frame is a fragment of an IP datagram.
func IsFragment(link LinkType, data []byte, origLen int) bool {
	f := frame{data: data, wire: max(origLen, len(data))}
	_, _, _, err := f.network(link)
	return err == ErrFragment
}

// Dropped returns how many fragments that were held were given up, since it was called
// last.
func (f *Fragments) Dropped() (n uint64) {
	n, f.dropped = f.dropped, 0
	return n
}

// Close gives up all datagrams.
func (f *Fragments) Close() {
	for _, d := range f.order {
		f.drop(d)
	}
	f.order = nil
}

// add takes a fragment, of which g has the data.
func (f *Fragments) add(g *frame, p *Packet) error {
	f.expire(p.Time)
	d := f.open[g.part.of]
	s := span{g.part.offset, g.part.offset + len(g.data)}
	bad := len(g.data) < g.wire || len(g.data) == 0 || s.to > maxDatagram || g.part.more && len(g.data)%8 != 0
	if d != nil && !bad {
		for _, t := range d.spans {
			if t == s {
				return ErrHeld // it was sent twice
			}
			bad = bad || s.from < t.to && t.from < s.to
		}
		bad = bad || d.total >= 0 && (s.to > d.total || !g.part.more)
		bad = bad || !g.part.more && len(d.data) > s.to
	}
	if bad {
		f.drop(d)
		return ErrFragment
	}
	if d == nil {
		d = f.begin(g.part.of, p.Time)
	}
	if n := s.to - len(d.data); n > 0 {
		d.data = append(d.data, make([]byte, n)...)
		f.held += n
	}
	copy(d.data[s.from:], g.data)
	d.spans = append(d.spans, s)
	d.have += len(g.data)
	d.pieces++
	if !g.part.more {
		d.total = s.to
	}
	if d.have != d.total {
		return ErrHeld
	}
	whole := frame{data: d.data, wire: len(d.data)}
	f.forget(d)
	proto := d.key.proto
	if d.key.src.Is6() {
		var err error
		if proto, err = whole.extensions(proto); err != nil {
			return err
		}
	}
	return whole.transport(d.key.src, d.key.dst, proto, p)
}

// begin makes room for a datagram.
func (f *Fragments) begin(key datagramKey, at time.Time) *datagram {
	for len(f.order) > 0 && (len(f.open) >= maxDatagrams || f.held > maxHeld) {
		f.drop(f.order[0])
		f.order = f.order[1:]
	}
	if f.open == nil {
		f.open = make(map[datagramKey]*datagram)
	}
	if len(f.order) >= 2*maxDatagrams {
		f.order = slices.DeleteFunc(f.order, func(d *datagram) bool { return d.done })
	}
	d := &datagram{key: key, at: at, total: -1}
	f.open[key] = d
	f.order = append(f.order, d)
	return d
}

// expire drops the datagrams that have waited for too long.
func (f *Fragments) expire(now time.Time) {
	for len(f.order) > 0 && (f.order[0].done || now.Sub(f.order[0].at) > fragmentExpiry) {
		f.drop(f.order[0])
		f.order = f.order[1:]
	}
}

// drop gives up a datagram, which may be nil.
func (f *Fragments) drop(d *datagram) {
	if d != nil && !d.done {
		f.dropped += d.pieces
		f.forget(d)
	}
}

func (f *Fragments) forget(d *datagram) {
	delete(f.open, d.key)
	f.held -= len(d.data)
	d.data, d.spans, d.done = nil, nil, true
}
