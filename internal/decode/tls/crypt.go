package tls

import (
	"sync/atomic"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/tlscrypt"
	"lodge/internal/decode/tlskeys"
)

// The bounds of what is held while keys are not known: of one connection, and of
// all connections.
const (
	maxHeld    = 256 << 10
	maxHeldAll = 64 << 20
)

// heldOverhead is what a held record takes beside its bytes.
const heldOverhead = 128

// crypt decrypts the records of a connection. Those whose keys are not known yet
// are held, in the order in which both sides sent them.
type crypt struct {
	d      *decoder
	config *Config
	all    *atomic.Int64 // what all connections hold

	suite *tlscrypt.Suite
	said  transcript
	keys  *tlskeys.Secrets // what was found last
	sides [2]reading
	held  []held
	size  int // of what is held
	tried int // how many secrets were known when the first held record could not be opened
	off   bool
	plain []byte // reused

	flow  *decode.Flow // what is inside
	early []piece      // 0-RTT data that the server has not accepted yet
	zero  zeroRTT
	ends  [2]ending
}

// held is a record that waits for its keys, or what came behind one.
type held struct {
	what   what
	side   decode.Side
	record record
	ending ending
}

type what uint8

const (
	heldRecord what = iota
	heldGap
	heldEnd
)

// ending is the end of a side, or the time of a gap.
type ending struct {
	at  time.Time
	how decode.End
}

// outcome is what became of a record.
type outcome uint8

const (
	done  outcome = iota // it was read
	wait                 // its keys are not known
	wrong                // no key opens it
	never                // the connection cannot be decrypted
)

// record takes an encrypted record, in its turn.
func (x *crypt) record(s decode.Side, r *record) {
	switch {
	case x.off:
		x.unread(s, r)
		return
	case len(x.held) == 0:
		switch x.read(s, r) {
		case done:
			return
		case never:
			x.off = true
			x.unread(s, r)
			return
		}
	}
	kept := *r
	kept.payload = append([]byte(nil), r.payload...)
	x.hold(held{what: heldRecord, side: s, record: kept})
	x.drain()
}

// hold keeps something until the keys are known, within bounds.
func (x *crypt) hold(h held) {
	n := len(h.record.payload) + heldOverhead
	x.held = append(x.held, h)
	x.size += n
	if x.all.Add(int64(n)) > maxHeldAll || x.size > maxHeld {
		x.giveUp()
	}
}

// drain reads what is held as far as keys are known now.
func (x *crypt) drain() {
	if len(x.held) == 0 || x.off || x.known() == x.tried {
		return
	}
	for len(x.held) > 0 && !x.off {
		h := &x.held[0]
		if h.what == heldRecord {
			switch x.read(h.side, &h.record) {
			case wait:
				return
			case never:
				x.giveUp()
				return
			}
		} else {
			x.pass(h)
		}
		x.release(h)
		x.held = x.held[1:]
	}
	if len(x.held) == 0 {
		x.held = nil
	}
}

func (x *crypt) release(h *held) {
	n := len(h.record.payload) + heldOverhead
	x.size -= n
	x.all.Add(int64(-n))
}

// pass hands on what is no record.
func (x *crypt) pass(h *held) {
	switch {
	case h.what == heldEnd:
		x.ends[h.side] = h.ending
		if x.flow != nil {
			x.flow.End(h.side, h.ending.at, h.ending.how)
		}
	case x.flow != nil:
		x.flow.Gap(h.side, h.ending.at, -1)
	}
}

// known returns how many secrets are known, -1 where nothing can be asked for yet.
func (x *crypt) known() int {
	if x.suite == nil && !x.d.s.hasServer {
		return -1
	}
	if s := x.secrets(); s != nil {
		return s.Len()
	}
	return 0
}

func (x *crypt) secrets() *tlskeys.Secrets {
	x.keys = x.config.Keys.Secrets(&x.d.s.client.random)
	return x.keys
}

// giveUp counts what is held as encrypted, and all that follows.
func (x *crypt) giveUp() {
	x.off = true
	if x.d.s.why == "" {
		x.d.s.why = x.missing()
	}
	for i := range x.held {
		h := &x.held[i]
		x.release(h)
		if h.what == heldRecord {
			x.unread(h.side, &h.record)
		} else {
			x.pass(h)
		}
	}
	x.held = nil
	if x.flow != nil {
		// What follows is missing in it.
		for s := range x.sides {
			if x.ends[s].how == 0 {
				x.flow.Gap(decode.Side(s), x.d.s.e.Ended, -1)
			}
		}
	}
}

// missing says what was waited for.
func (x *crypt) missing() string {
	switch {
	case !x.d.s.hasServer:
		return "the ServerHello was not recorded"
	case x.secrets() == nil:
		return x.config.because(NoKeys+" in the key log", NoKeys)
	}
	return x.config.because("the key log does not have all keys of this connection", "not all keys of this connection are known")
}

// unread counts a record that is not decrypted.
func (x *crypt) unread(s decode.Side, r *record) {
	x.d.s.encrypted(s, r)
	x.d.lose(s, decode.LostEncrypted, r.wire)
}

// gap is for missing bytes of a side, n or, where it is -1, an unknown number. It
// reports whether the records behind them can be found again.
func (x *crypt) gap(s decode.Side, at time.Time, n int64) bool {
	if x.off || x.suite == nil || len(x.held) > 0 || !x.d.s.done {
		x.stop(s, at, "bytes before it are missing")
		return false
	}
	p := &x.sides[s]
	p.lost(n)
	return true
}

// renegotiated is for keys that come from a handshake inside the connection, which is
// not followed.
func (x *crypt) renegotiated() {
	if !x.off {
		x.d.s.why = "the connection was renegotiated"
		x.giveUp()
	}
}

// stop is for a side of which no more records come.
func (x *crypt) stop(s decode.Side, at time.Time, why string) {
	if x.d.s.why == "" {
		x.d.s.why = why
	}
	h := held{what: heldGap, side: s, ending: ending{at: at}}
	if len(x.held) > 0 {
		x.hold(h)
		return
	}
	x.pass(&h)
}

// end is for the end of a side. The last one ends the waiting for keys.
func (x *crypt) end(s decode.Side, at time.Time, how decode.End, last bool) {
	h := held{what: heldEnd, side: s, ending: ending{at, how}}
	if len(x.held) > 0 {
		x.hold(h)
	} else {
		x.pass(&h)
	}
	x.drain()
	if last {
		if len(x.held) > 0 {
			x.giveUp()
		}
		x.plain, x.early = nil, nil
	}
}
