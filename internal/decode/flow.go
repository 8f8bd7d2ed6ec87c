package decode

import (
	"bytes"
	"time"
)

// Flow is one connection whose protocol is found by its bytes. It is a
// [Decoder]: what comes before the protocol is known is kept, at most
// [PrefixBytes] of each side, and given to the protocol's decoder then.
//
// Where the protocol is not found, the flow has none: its bytes are counted as
// [LostUnknown]. One that was joined midstream, in a large body for example, looks again
// where a message may begin: where the other side begins to send, and after a pause.
type Flow struct {
	conn      *Conn
	protocols []*Protocol

	decoder  Decoder
	protocol *Protocol
	opaque   bool // no protocol was found

	waiting   []piece // what came before the protocol was known
	prefix    Prefix
	ended     [2]End
	endedAt   [2]time.Time
	told      [2]bool     // the decoder knows that the side ended
	possible  []*Protocol // those that have not said No, where narrowed is set; else all
	narrowed  bool
	swap      bool // the capture's client is the protocol's server
	unordered bool // which side is the client is not known

	// Of the last bytes: who sent them, and when. begins counts where a message may have
	// begun since there is no protocol.
	last   Side
	lastAt time.Time
	begins uint32
}

// Bounds of looking again for a protocol: at each of the first places where a message may
// begin, then at each that is a power of two.
const (
	beginAfter = 100 * time.Millisecond // without a byte, on the clock of the packets
	everyBegin = 16
)

type piece struct {
	side Side
	at   time.Time
	b    []byte
}

// NewFlow returns a connection whose protocol is one of a list, and where what
// is found goes. In a connection that was joined midstream the side that is
// called client may be the server: clientKnown is false then, and the flow finds
// out.
func NewFlow(c *Conn, protocols []*Protocol, clientKnown bool) *Flow {
	f := &Flow{conn: c, protocols: protocols, unordered: !clientKnown}
	f.prefix.Midstream = c.Midstream
	return f
}

// look begins to look for a protocol.
func (f *Flow) look() { f.possible, f.narrowed, f.opaque = nil, false, false }

// looksAgain reports whether a flow without a protocol looks for one again, with bytes
// that a side sent.
func (f *Flow) looksAgain(s Side, at time.Time) bool {
	begin := s != f.last || at.Sub(f.lastAt) >= beginAfter
	f.last, f.lastAt = s, at
	if !begin || !f.conn.Midstream {
		return false
	}
	if f.begins++; f.begins > everyBegin && f.begins&(f.begins-1) != 0 {
		return false
	}
	f.prefix = Prefix{Midstream: true, Ended: f.prefix.Ended}
	f.look()
	return true
}

// Protocol returns the name of the protocol, or "" where it is not known.
func (f *Flow) Protocol() string {
	if f.protocol == nil {
		return ""
	}
	return f.protocol.Name
}

// Choose makes the flow one of a protocol that is known by other means than its
// bytes, before the first of them. It reports whether the flow has that protocol.
func (f *Flow) Choose(name string) bool {
	for _, p := range f.protocols {
		if p.Name == name && p.Datagram == f.conn.Datagram {
			f.protocol, f.decoder, f.unordered = p, p.New(f.conn), false
			return true
		}
	}
	return false
}

// Swapped reports that the side which was called client is the protocol's
// server: the connection was joined midstream, the other way round.
func (f *Flow) Swapped() bool { return f.swap }

func (f *Flow) turn(s Side) Side {
	if f.swap {
		return s.Other()
	}
	return s
}

// Data implements [Decoder].
func (f *Flow) Data(s Side, at time.Time, b []byte) {
	if len(b) == 0 {
		return
	}
	switch {
	case f.decoder != nil:
		f.decoder.Data(f.turn(s), at, b)
		f.follow(at)
	case f.opaque && !f.looksAgain(s, at):
		f.conn.Lost(Loss{Side: f.turn(s), Reason: LostUnknown, Bytes: int64(len(b)), At: at, Data: b})
	default:
		f.search(s, at, b)
	}
}

// search looks for the protocol with the next bytes. They are copied where more are needed.
func (f *Flow) search(s Side, at time.Time, b []byte) {
	f.last, f.lastAt = s, at
	f.waiting = append(f.waiting, piece{side: s, at: at, b: b})
	prefix := &f.prefix.Bytes[s]
	if n := min(PrefixBytes-len(*prefix), len(b)); len(*prefix) == 0 {
		*prefix = b[:n:n]
	} else if n > 0 {
		*prefix = append(*prefix, b[:n]...)
	}
	f.detect(at)
	if n := len(f.waiting); n > 0 { // b is valid during the call
		f.waiting[n-1].b = bytes.Clone(f.waiting[n-1].b)
		*prefix = bytes.Clone(*prefix)
	}
}

// Idle implements [Idler].
func (f *Flow) Idle() {
	if i, ok := f.decoder.(Idler); ok {
		i.Idle()
	}
}

// Gap implements [Decoder].
func (f *Flow) Gap(s Side, at time.Time, n int64) {
	switch {
	case f.decoder != nil:
		f.decoder.Gap(f.turn(s), at, n)
		f.follow(at)
	case f.opaque:
	case len(f.waiting) == 0:
		f.prefix.Midstream, f.conn.Midstream = true, true
	default:
		// Nothing was recognised before the gap: what follows begins anew.
		f.drop()
		f.prefix = Prefix{Midstream: true, Ended: f.prefix.Ended}
		f.conn.Midstream = true
		f.look()
	}
}

// End implements [Decoder].
func (f *Flow) End(s Side, at time.Time, how End) {
	if f.ended[s] != 0 {
		return
	}
	f.ended[s], f.endedAt[s] = how, at
	f.prefix.Ended[s] = true
	if f.decoder != nil {
		f.tellEnds()
		f.follow(at)
		return
	}
	if !f.opaque && len(f.waiting) > 0 {
		f.detect(at)
	}
	if f.decoder == nil && f.ended[0] != 0 && f.ended[1] != 0 {
		f.drop()
	}
}

// drop counts what waited for a protocol, and forgets it.
func (f *Flow) drop() {
	for _, p := range f.waiting {
		f.conn.Lost(Loss{Side: f.turn(p.side), Reason: LostUnknown, Bytes: int64(len(p.b)), At: p.at, Data: p.b})
	}
	f.waiting = nil
}

// detect asks each protocol that is still possible.
func (f *Flow) detect(at time.Time) {
	among, left := f.possible, f.possible[:0]
	if !f.narrowed {
		among = f.protocols
	}
	for _, p := range among {
		if p.Detect == nil || p.Datagram != f.conn.Datagram {
			continue
		}
		v, swap := f.judge(p)
		if v == Yes {
			f.swap = f.swap != swap
			f.begin(p, at)
			return
		}
		if v == Maybe {
			left = append(left, p)
		}
	}
	f.possible, f.narrowed = left, true
	if len(left) == 0 || len(f.prefix.Bytes[0]) >= PrefixBytes && len(f.prefix.Bytes[1]) >= PrefixBytes || f.waited() > 4*PrefixBytes {
		f.opaque = true
		f.drop()
		f.release()
	}
}

// release lets go of what is needed only to look for a protocol.
func (f *Flow) release() {
	f.possible, f.narrowed = nil, true
	f.prefix.Bytes = [2][]byte{}
}

func (f *Flow) waited() int {
	n := 0
	for _, p := range f.waiting {
		n += len(p.b)
	}
	return n
}

// judge asks a protocol, in both directions where it is not known which side is
// the client.
func (f *Flow) judge(p *Protocol) (v Verdict, swap bool) {
	asked := f.prefix
	if f.swap {
		asked = asked.swapped()
	}
	if v = p.Detect(&asked); v == Yes || !f.unordered {
		return v, false
	}
	other := asked.swapped()
	if w := p.Detect(&other); w > v {
		return w, true
	}
	return v, false
}

func (p Prefix) swapped() Prefix {
	p.Bytes[0], p.Bytes[1] = p.Bytes[1], p.Bytes[0]
	p.Ended[0], p.Ended[1] = p.Ended[1], p.Ended[0]
	return p
}

// begin makes the decoder, and gives it what has waited.
func (f *Flow) begin(p *Protocol, at time.Time) {
	f.protocol, f.decoder, f.unordered = p, p.New(f.conn), false
	waiting := f.waiting
	f.waiting = nil
	f.release()
	for i, w := range waiting {
		f.decoder.Data(f.turn(w.side), w.at, w.b)
		if f.conn.handoff != nil {
			// What has not been given belongs to the next protocol, after its rest.
			f.follow(w.at)
			for _, w := range waiting[i+1:] {
				f.Data(w.side, w.at, w.b)
			}
			return
		}
	}
	f.tellEnds()
	f.follow(at)
}

// tellEnds tells the decoder which sides have ended, once each.
func (f *Flow) tellEnds() {
	for s, how := range f.ended {
		if how != 0 && !f.told[s] && f.decoder != nil {
			f.told[s] = true
			f.decoder.End(f.turn(Side(s)), f.endedAt[s], how)
		}
	}
}

// follow carries out a decoder's handoff.
func (f *Flow) follow(at time.Time) {
	h := f.conn.handoff
	if h == nil {
		return
	}
	f.conn.handoff, f.decoder, f.protocol = nil, nil, nil
	f.conn.Facts = h.facts
	f.told = [2]bool{}
	f.prefix = Prefix{Ended: f.prefix.Ended, Midstream: f.conn.Midstream}
	f.look()
	if h.protocol != "" {
		f.narrowed = true
		for _, p := range f.protocols {
			if p.Name == h.protocol && p.Datagram == f.conn.Datagram {
				f.protocol, f.decoder = p, p.New(f.conn)
			}
		}
		f.opaque = f.decoder == nil
	}
	for s := range h.rest {
		// The rest is in the decoder's sides; Data turns them.
		f.Data(f.turn(Side(s)), at, h.rest[s])
	}
	f.tellEnds()
}
