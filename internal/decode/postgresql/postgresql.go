// Package postgresql decodes the connections of PostgreSQL, protocol 3.0 and
// 3.2: https://www.postgresql.org/docs/current/protocol.html
//
// There is one exchange for each statement. In the extended query protocol it
// begins with the first of the messages that lead to an Execute (Parse, Bind,
// Describe) and has the parameters that were bound; a batch of such messages
// without an Execute is an exchange of the method "prepare", "bind", "describe"
// or "close". The last statement before a Sync ends with the ReadyForQuery, as
// its transaction may.
//
// Not decoded: what is encrypted (TLS is handed over, GSSAPI is counted as
// unknown), and the messages inside the stream of a replication, which are
// counted. SQL's own PREPARE and EXECUTE are statements like others.
package postgresql

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "postgresql"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{
		Name:   Name,
		Detect: detect,
		New:    func(c *decode.Conn) decode.Decoder { return newDecoder(c) },
	}
}

type phase uint8

const (
	starting    phase = iota // the client sends a message without a kind
	joining                  // midstream, and perhaps before that
	negotiating              // the server answers one byte
	speaking                 // messages with a kind, both ways
	handedOver               // to another protocol
	unreadable               // all bytes are lost
)

// decoder implements [decode.Decoder].
type decoder struct {
	conn   *decode.Conn
	phase  phase
	in     [2]stream
	ended  [2]bool
	state  *state
	client client
	server server
	asked  uint32 // what is negotiated: codeSSL, codeGSS
	reason decode.LossReason
}

func newDecoder(c *decode.Conn) *decoder {
	st := newState(c)
	d := &decoder{conn: c, state: st, client: client{state: st}, server: server{state: st}}
	for s := range d.in {
		d.in[s].conn, d.in[s].side = c, decode.Side(s)
	}
	st.in = &d.in[decode.Server]
	if c.Midstream {
		d.phase = joining
	}
	return d
}

// join decides on the first bytes of a connection that was joined midstream
// whether it begins with them.
func (d *decoder) join(over bool) {
	v := opens(d.in[decode.Client].Bytes())
	switch {
	case d.in[decode.Server].Len() > 0 || v == decode.No || over:
		d.phase, d.state.version, d.state.unsure = speaking, "", true
		for s := range d.in {
			d.in[s].seeking, d.in[s].why = true, decode.LostState
		}
	case v == decode.Yes:
		d.phase = starting
	}
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.in {
		d.in[s].Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.phase == unreadable {
		d.lost(s, int64(len(b)))
		return
	}
	d.in[s].Write(at, b)
	if d.phase == joining {
		d.join(false)
	}
	d.read()
}

// read handles the messages that are there.
func (d *decoder) read() {
	// An answer of the server may be what the client's bytes have waited for.
	for d.phase < handedOver && d.step(decode.Client) || d.phase < handedOver && d.step(decode.Server) {
	}
	if d.phase == unreadable {
		for s := range d.in {
			d.lost(decode.Side(s), int64(d.in[s].Len()))
			d.in[s].Reset()
		}
	}
}

func (d *decoder) lost(s decode.Side, n int64) {
	if n > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: d.reason, Bytes: n})
	}
}

// step handles the messages of a side, and reports whether the other side is to
// be looked at again.
func (d *decoder) step(s decode.Side) bool {
	if d.phase == speaking {
		for {
			m, ok := d.in[s].next()
			if !ok {
				return false
			}
			d.message(s, m)
		}
	}
	if s == decode.Server {
		return d.phase == negotiating && d.answer()
	}
	return d.phase == starting && d.start()
}

// message handles a message that has a kind.
func (d *decoder) message(s decode.Side, m message) {
	switch {
	case s == decode.Client:
		if !m.whole && m.kind != 'd' {
			d.tooLong(s, m)
		}
		d.client.message(m)
	default:
		if !m.whole && m.kind != 'd' && m.kind != 'D' {
			d.tooLong(s, m)
		}
		d.server.message(m)
	}
}

func (d *decoder) tooLong(s decode.Side, m message) {
	n := m.size - 5 - int64(len(m.body))
	d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: n})
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	switch {
	case d.phase == unreadable:
		d.lost(s, n)
		return
	case d.phase == handedOver:
		return
	}
	d.joinNow()
	if !d.in[s].gap(n) {
		return
	}
	if d.phase != speaking {
		d.phase = speaking
		o := &d.in[s.Other()]
		o.seeking, o.why = true, decode.LostState
		d.state.unsure = true
	}
	d.state.gap(s)
}

// joinNow reads what waits for a decision that is no longer needed.
func (d *decoder) joinNow() {
	if d.phase == joining {
		d.join(true)
		d.read()
	}
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	d.ended[s] = true
	if !d.ended[s.Other()] || d.phase == handedOver {
		return
	}
	d.joinNow()
	for s := range d.in {
		if d.phase != unreadable {
			d.in[s].finish()
		}
	}
	d.state.end()
}
