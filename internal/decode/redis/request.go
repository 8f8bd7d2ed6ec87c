package redis

import "lodge/internal/decode"

// pending is a command that waits for its answer.
type pending struct {
	e    *decode.Exchange
	name string
	arg  string // its first argument
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

// commands takes what a client asks.
type commands struct {
	*session
	reader   *reader
	silent   bool // CLIENT REPLY OFF
	skipNext bool // CLIENT REPLY SKIP
}

// take takes the command that has been read, and returns it if it waits for an
// answer.
func (d *commands) take(cut, replica bool) *pending {
	c := d.reader.cmd
	if c.name == "" && len(c.args) == 0 {
		return nil // an empty line or array, which servers pass over
	}
	e := d.exchange(d.reader, decode.Client, cut)
	if replica || isAck(c) || d.isSilent(c) {
		d.message(e)
		return nil
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
	p := &pending{e: e, name: c.name, arg: c.text(1), mask: c.answerMask()}
	switch c.name {
	case "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE":
		p.left = c.n - 1
	case "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE":
		if p.left = c.n - 1; p.left == 0 {
			p.left = -1
		}
	}
	return p
}

// isAck reports whether a command is what only replicas send.
func isAck(c *command) bool { return c.name == "REPLCONF" && c.word(1) == "ACK" }

// isSilent reports whether a command is not answered, because of CLIENT REPLY.
func (d *commands) isSilent(c *command) bool {
	skip := d.skipNext
	d.skipNext = false
	if c.name == "CLIENT" && c.sub == "REPLY" {
		switch c.word(2) {
		case "OFF":
			d.silent = true
			return true
		case "SKIP":
			d.skipNext = !d.silent
			return true
		case "ON":
			d.silent = false
			return false
		}
	}
	return skip || d.silent
}
