// Package mysql decodes the connections of MySQL and MariaDB, the classic
// protocol:
// https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html and
// https://mariadb.com/kb/en/clientserver-protocol/
//
// There is one exchange for each command; a query with several statements is one
// for each of them. The results of a stored procedure belong to its CALL. The
// execution of a prepared statement has the statement's text and the parameters
// that were bound.
//
// Not decoded: what is encrypted (TLS is handed over), and the events of a
// replication, which are counted. The X protocol is another one. Where the
// protocol is compressed, with zlib or zstd, the bytes of a message are counted as
// they were before.
package mysql

import (
	"strconv"
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "mysql"

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
	greeting   phase = iota // the server speaks first
	joining                 // midstream, and perhaps before that
	login                   // until the server accepts the client
	commands                // the client asks, the server answers
	handedOver              // to TLS
	unreadable              // all bytes are lost
)

// decoder implements [decode.Decoder].
type decoder struct {
	conn   *decode.Conn
	state  *state
	in     [2]stream
	wire   [2]inflater // where the protocol is compressed
	client client
	server server
	ended  [2]bool
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{conn: c}
	for s := range d.in {
		d.in[s].conn, d.in[s].side = c, decode.Side(s)
		d.wire[s].conn, d.wire[s].side = c, decode.Side(s)
	}
	d.state = newState(c, &d.in, &d.wire)
	d.client, d.server = client{d.state}, server{state: d.state}
	switch caps := c.Fact("mysql capabilities"); {
	case caps != "":
		// After TLS: the greeting was in the clear, before it.
		d.state.phase = login
		d.state.session = newSession(d.state)
		d.state.session.version = c.Fact("server version")
		d.state.session.offered, _ = strconv.ParseUint(caps, 16, 64)
	case c.Midstream:
		d.state.phase = joining
	}
	return d
}

// join decides on the first bytes of a connection that was joined midstream
// whether it begins with them. It reports whether they are enough.
func (d *decoder) join(over bool) bool {
	v := greets(d.in[decode.Server].Bytes())
	switch {
	case d.in[decode.Client].Len() > 0 || v == decode.No || over:
		d.state.phase = commands
		d.in[decode.Client].seek(decode.LostState)
		d.in[decode.Server].drop(decode.LostState)
	case v == decode.Yes:
		d.state.phase = greeting
	}
	return d.state.phase != joining
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.in {
		d.in[s].Release()
		d.wire[s].Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.state.compressed {
		d.wire[s].Write(at, b)
		d.inflate(s)
		return
	}
	d.plain(s, at, b)
}

// inflate reads the compressed packets of a side.
func (d *decoder) inflate(s decode.Side) {
	d.wire[s].read(func(at time.Time, b []byte) { d.plain(s, at, b) }, func(n int64) { d.gap(s, n) })
}

// plain handles bytes that are not compressed, or no more.
func (d *decoder) plain(s decode.Side, at time.Time, b []byte) {
	if d.state.phase == unreadable {
		d.lost(s, int64(len(b)))
		return
	}
	d.in[s].Write(at, b)
	if d.state.phase == joining && !d.join(false) {
		return
	}
	d.read(s)
}

// read handles the packets of a side.
func (d *decoder) read(s decode.Side) {
	compressed := d.state.compressed
	for d.state.phase < handedOver {
		p, ok := d.in[s].next()
		if ok {
			d.packet(s, p)
		}
		if d.in[s].compressed {
			// Found midstream: what the server sends is understood from its next response on.
			d.in[s].compressed, d.state.compressed = false, true
			d.in[s.Other()].drop(decode.LostState)
			d.in[s.Other()].pass(d.in[s.Other()].Len())
			d.wire[s.Other()].dead = true
		}
		if d.state.compressed && !compressed {
			// The packets of both sides are compressed from here on.
			for s := range d.in {
				d.wire[s].Write(d.in[s].At(), d.in[s].Bytes())
				d.in[s].Reset()
				d.in[s].inner = true
			}
			d.inflate(s)
			d.inflate(s.Other())
			return
		}
		if !ok {
			break
		}
	}
	switch d.state.phase {
	case handedOver:
		rest := [2][]byte{d.in[decode.Client].Bytes(), d.in[decode.Server].Bytes()}
		d.conn.Handoff("tls", rest, d.state.facts...)
	case unreadable:
		for s := range d.in {
			d.lost(decode.Side(s), int64(d.in[s].Len()))
			d.in[s].Reset()
		}
	}
}

func (d *decoder) packet(s decode.Side, p packet) {
	if n := p.payload - int64(len(p.body)); n > 0 && (s == decode.Client && d.state.infile == nil || d.state.phase != commands) {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostTooLong, Bytes: n})
	}
	if s == decode.Client {
		d.client.packet(p)
	} else {
		d.server.packet(p)
	}
}

func (d *decoder) lost(s decode.Side, n int64) {
	if n > 0 {
		d.conn.Lost(decode.Loss{Protocol: Name, Side: s, Reason: d.state.reason, Bytes: n})
	}
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.state.compressed {
		matters, content := d.wire[s].gap(n)
		if !matters {
			return
		}
		n = content
	}
	d.gap(s, n)
}

// gap handles a gap in what is not compressed.
func (d *decoder) gap(s decode.Side, n int64) {
	switch {
	case d.state.phase == unreadable:
		d.lost(s, n)
		return
	case d.state.phase == handedOver:
		return
	}
	d.joinNow()
	if d.in[s].gap(n) {
		d.state.gap(s)
	}
}

// joinNow reads what waits for a decision that is no longer needed.
func (d *decoder) joinNow() {
	if d.state.phase == joining && d.join(true) {
		d.read(decode.Client)
		d.read(decode.Server)
	}
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	d.ended[s] = true
	if !d.ended[s.Other()] || d.state.phase == handedOver {
		return
	}
	d.joinNow()
	for s := range d.in {
		d.wire[s].finish()
		d.in[s].finish()
	}
	d.state.end()
}
