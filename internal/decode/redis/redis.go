// Package redis decodes what clients and servers of Redis say: RESP2, RESP3 and
// inline commands, pipelines, transactions, subscriptions, MONITOR, CLIENT
// REPLY, and the streams of replicas. Valkey and others that speak RESP are the
// same.
//
// Each command is an exchange. One that was queued in a transaction is answered
// by its element of EXEC's array. What a server sends without being asked, and
// commands that are not answered, are messages.
//
// https://redis.io/docs/latest/develop/reference/protocol-spec/
package redis

import (
	"time"

	"lodge/internal/decode"
)

// Name is the protocol's name.
const Name = "redis"

// Protocol returns the protocol.
func Protocol() *decode.Protocol {
	return &decode.Protocol{Name: Name, Detect: Detect, New: func(c *decode.Conn) decode.Decoder { return newDecoder(c) }}
}

// decoder is one connection.
type decoder struct {
	session
	in       [2]decode.Buffer
	ended    [2]bool
	search   [2]search
	commands commands
	answers  *answers
	replica  *replica // nil: the client is none
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{session: session{Conn: c, version: "2"}}
	if c.Midstream {
		d.version, d.unsure = "", true
		d.search = [2]search{{why: decode.LostState}, {why: decode.LostState}}
	}
	d.commands = commands{session: &d.session, reader: newReader(c.Options, &d.in[decode.Client], true)}
	d.answers = newAnswers(&d.session, &d.in[decode.Server])
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.in {
		d.in[s].Release()
	}
	d.commands.reader.idle()
	d.answers.idle()
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.ended[s] {
		return
	}
	d.in[s].Write(at, b)
	for d.in[s].Len() > 0 && d.read(s) {
	}
	if s == decode.Server {
		d.heard = at
	}
}

// read reads one part of what a side sent, and reports whether there may be more.
func (d *decoder) read(s decode.Side) bool {
	if d.search[s].why != "" {
		return d.look(s)
	}
	var p progress
	switch {
	case s == decode.Client:
		if p = d.commands.reader.next(); p == complete {
			d.request(false)
		}
	case d.replica != nil:
		p = d.replica.read()
	default:
		p = d.answers.read()
		if a := d.answers; a.synced != nil {
			d.replica = newReplica(&d.session, a.in, a.synced, a.text)
			a.synced, a.text = nil, nil
		}
	}
	if p == malformed {
		d.broken(s)
	}
	return p != more
}

// quiet is how long a server has said nothing when it has answered all that it
// was asked, also what was not captured.
const quiet = 100 * time.Millisecond

// request takes the command that has been read.
func (d *decoder) request(cut bool) {
	r, q := d.commands.reader, &d.answers.pending
	if d.unsure && isAck(r.cmd) && d.replica == nil && !d.answers.parser.inner {
		// The connection of a replica, which was joined midstream.
		d.answers.answer = nil
		d.replica = &replica{session: &d.session, in: d.answers.in, stream: newReader(d.Options, d.answers.in, false)}
	}
	if d.unsure && len(q.waiting) == 0 && !d.heard.IsZero() && r.begin.Sub(d.heard) >= quiet {
		d.unsure, q.forgotten = false, 0
	}
	p := d.commands.take(cut, d.replica != nil)
	if p == nil {
		return
	}
	if old := q.push(p); old != nil {
		// Its answer is still to come, and passed over then.
		q.forgotten += max(old.left, 1)
		d.incomplete(old, "more commands were waiting than are remembered")
	}
}

// broken begins to search for the next value of a side, after bytes that are
// not what the protocol allows.
func (d *decoder) broken(s decode.Side) {
	d.leave(s, "the rest could not be read")
	d.search[s] = search{why: decode.LostMalformed, inLine: true}
	d.unsure = true
}

// leave gives up the value that a side is in: what is known of it is emitted.
func (d *decoder) leave(s decode.Side, why string) {
	switch {
	case s == decode.Client:
		if d.leaveCommand(d.commands.reader, s) {
			d.request(true)
		}
		d.commands.reader.restart()
		return
	case d.replica == nil:
		if d.answers.parser.inner {
			d.answers.half(why)
		}
		d.answers.parser.reset()
		d.answers.answer = nil
		return
	case d.replica.rdb != nil:
		d.replica.end(true)
	case d.leaveCommand(d.replica.stream, s):
		d.replica.replicated(true)
	}
	d.replica.stream.restart()
}

// leaveCommand reports whether enough is known of a command that ends early;
// else its bytes are counted as lost.
func (d *decoder) leaveCommand(r *reader, s decode.Side) bool {
	if !r.inner {
		return false
	}
	if r.cmd.name != "" {
		return true
	}
	d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: r.size})
	return false
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.ended[s] || d.inside(s, n) {
		return
	}
	d.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	d.leave(s, "a part of the answer was not captured")
	d.drop(s, decode.LostGap)
	if s == decode.Server {
		d.answers.flush("the answer was not captured")
	}
	d.search[s] = search{why: decode.LostGap}
	d.unsure = true
}

// inside skips n missing bytes if they are all within a string, and reports
// whether they are.
func (d *decoder) inside(s decode.Side, n int64) bool {
	switch {
	case d.search[s].why != "" || d.in[s].Len() > 0:
		return false
	case s == decode.Client:
		return d.commands.reader.gap(n)
	case d.replica == nil:
		return d.answers.parser.gap(n)
	case d.replica.rdb != nil:
		return d.replica.rdb.gap(n)
	}
	return d.replica.stream.gap(n)
}

// drop counts the bytes of a side that cannot be read any more.
func (d *decoder) drop(s decode.Side, why decode.LossReason) {
	f := &d.search[s]
	if f.why == "" {
		f.why = why
	}
	f.passed += int64(d.in[s].Len())
	d.in[s].Reset()
	d.found(s)
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	if d.ended[s] {
		return
	}
	d.ended[s] = true
	d.leave(s, "")
	d.drop(s, decode.LostGap)
	if d.ended[decode.Server] {
		d.answers.flush("")
	}
}
