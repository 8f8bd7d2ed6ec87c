package redis

import "lodge/internal/decode"

// pending is a command that waits for its answer.
type pending struct {
	e    *decode.Exchange
	name string
	sub  string
	arg  string // its first argument
	args int64
	mask masking
	// left is how many confirmations are to come, of commands that change
	// subscriptions; -1: as many as there are subscriptions.
	left      int64
	confirmed bool // one was seen
	done      bool // it was answered in EXEC's array
}

// queue holds the commands that wait, in order.
type queue struct {
	limit     int
	waiting   []*pending
	forgotten int64 // answers to come before those, for commands that were let go
}

func (q *queue) head() *pending {
	if len(q.waiting) == 0 || q.forgotten > 0 {
		return nil
	}
	return q.waiting[0]
}

func (q *queue) pop() *pending {
	if len(q.waiting) == 0 {
		return nil
	}
	p := q.waiting[0]
	q.waiting[0] = nil
	q.waiting = q.waiting[1:]
	return p
}

// push appends a command, and returns the oldest if there are too many.
func (q *queue) push(p *pending) (old *pending) {
	q.waiting = append(q.waiting, p)
	if len(q.waiting) > q.limit {
		return q.pop()
	}
	return nil
}

// request takes the command that has been read.
func (d *decoder) request(cut bool) {
	r := d.commands
	c := r.cmd
	if c.name == "" && len(c.args) == 0 {
		return // an empty line or array, which servers pass over
	}
	e := d.exchange(r, decode.Client, cut)
	if d.replica || c.name == "REPLCONF" && c.word(1) == "ACK" {
		d.becomeReplica()
		d.message(e)
		return
	}
	if d.unsure && len(d.pending.waiting) == 0 && !d.heard.IsZero() && e.Started.Sub(d.heard) >= quiet {
		d.unsure, d.pending.forgotten = false, 0
	}
	if d.silent(c) {
		d.message(e)
		return
	}
	switch c.name {
	case "AUTH", "HELLO":
		e.Kind = decode.KindSession
	}
	if c.blocking() {
		e.Add("blocking", "true")
	}
	if d.unsure {
		e.Unknown = append(e.Unknown, "earlier commands were not captured: the answer may be that of another one")
	}
	p := &pending{e: e, name: c.name, sub: c.sub, arg: c.text(1), args: c.n - 1, mask: c.answerMask()}
	switch c.name {
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE":
		p.left = p.args
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		if p.left = p.args; p.left == 0 {
			p.left = -1
		}
	}
	if old := d.pending.push(p); old != nil {
		// Its answer is still to come, and passed over then.
		d.pending.forgotten += max(old.left, 1)
		d.incomplete(old, "more commands were waiting than are remembered")
	}
}

// exchange returns what a reader has read.
func (d *decoder) exchange(r *reader, from decode.Side, cut bool) *decode.Exchange {
	c := r.cmd
	e := &decode.Exchange{
		Protocol: Name, Version: d.version, Kind: decode.KindRequest, From: from,
		Started: r.begin, Ended: r.last, Method: c.method(), Target: c.target(), Group: c.group(),
	}
	r.fill(&e.Request)
	e.Request.Incomplete = cut
	return e
}

// message emits what is not answered.
func (d *decoder) message(e *decode.Exchange) {
	e.Kind = decode.KindMessage
	d.c.Emit(e)
}

// silent reports whether a command is not answered, because of CLIENT REPLY.
func (d *decoder) silent(c *command) bool {
	skip := d.skipNext
	d.skipNext = false
	if c.name == "CLIENT" && c.sub == "REPLY" {
		switch c.word(2) {
		case "OFF":
			d.replies = replyOff
			return true
		case "SKIP":
			d.skipNext = d.replies == replyOn
			return true
		case "ON":
			d.replies = replyOn
			return false
		}
	}
	return skip || d.replies == replyOff
}
