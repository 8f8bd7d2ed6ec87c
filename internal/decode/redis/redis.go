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
	c      *decode.Conn
	in     [2]decode.Buffer
	ended  [2]bool
	search [2]search

	// The client's side.
	commands *reader
	replies  replyMode
	skipNext bool // CLIENT REPLY SKIP

	// The server's side.
	mode    serverMode
	parser  parser
	answer  *answer
	stream  *reader // commands for a replica
	rdb     *rdb
	pending queue
	queued  []*pending // commands that wait for EXEC
	multi   bool
	lost    int // commands of the transaction that are remembered no more

	version    string // "2", "3"; empty: not known
	db         string
	monitoring bool
	replica    bool
	channels   int64 // subscriptions to channels and to patterns
	patterns   int64
	shards     int64
	unsure     bool      // which command an answer belongs to is not known
	heard      time.Time // when the server's last byte came
}

type serverMode uint8

const (
	answering serverMode = iota
	sendingRDB
	replicating
)

type replyMode uint8

const (
	replyOn replyMode = iota
	replyOff
)

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{c: c, version: "2"}
	if c.Midstream {
		d.version, d.unsure = "", true
		d.search = [2]search{{why: decode.LostState}, {why: decode.LostState}}
	}
	d.commands = newReader(c.Options, &d.in[decode.Client], true)
	d.parser = parser{q: &d.in[decode.Server], maxLine: c.Limits.Message}
	d.pending.limit = max(c.Limits.Pending, 1)
	return d
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	if d.ended[s] {
		return
	}
	d.in[s].Write(at, b)
	for d.read(s) {
	}
	if s == decode.Server {
		d.heard = at
	}
}

// read reads one part of what a side sent, and reports whether there may be more.
func (d *decoder) read(s decode.Side) bool {
	if d.in[s].Len() == 0 {
		return false
	}
	if d.search[s].why != "" {
		return d.look(s)
	}
	if s == decode.Client {
		return d.readCommand()
	}
	switch d.mode {
	case sendingRDB:
		return d.readRDB()
	case replicating:
		return d.readStream()
	}
	return d.readAnswer()
}

// quiet is how long a server has said nothing when it has answered all that it
// was asked, also what was not captured.
const quiet = 100 * time.Millisecond

func (d *decoder) readCommand() bool {
	switch d.commands.next() {
	case more:
		return false
	case complete:
		d.request(false)
	case malformed:
		d.broken(decode.Client)
	}
	return true
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
		if !d.leaveCommand(d.commands, s) {
			break
		}
		d.request(true)
	case d.mode == sendingRDB:
		d.endRDB(true)
	case d.mode == replicating:
		if d.leaveCommand(d.stream, s) {
			d.replicated(true)
		}
	case d.parser.inner:
		d.halfAnswer(why)
	}
	if s == decode.Client {
		d.commands.reset()
		d.commands.fresh()
		return
	}
	d.parser.reset()
	d.answer = nil
	if d.stream != nil {
		d.stream.reset()
		d.stream.fresh()
	}
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
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostMalformed, Bytes: r.size})
	return false
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	if d.ended[s] || d.inside(s, n) {
		return
	}
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	d.leave(s, "a part of the answer was not captured")
	d.drop(s, decode.LostGap)
	if s == decode.Server {
		d.flush("the answer was not captured")
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
		return d.commands.gap(n)
	case d.mode == sendingRDB:
		return d.rdb.gap(n)
	case d.mode == replicating:
		return d.stream.gap(n)
	}
	return d.parser.gap(n)
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
		d.flush("")
	}
}

// flush emits what waits for an answer that will not be seen.
func (d *decoder) flush(why string) {
	for {
		p := d.pending.pop()
		if p == nil {
			break
		}
		d.incomplete(p, why)
	}
	d.pending.forgotten = 0
	for _, p := range d.queued {
		d.incomplete(p, why)
	}
	d.queued, d.multi, d.lost = nil, false, 0
}

// incomplete emits a command that was not answered.
func (d *decoder) incomplete(p *pending, why string) {
	p.e.Response.Incomplete = true
	if why != "" {
		p.e.Unknown = append(p.e.Unknown, why)
	}
	d.c.Emit(p.e)
}
