package redis

import "lodge/internal/decode"

// readAnswer reads one part of what a server answers.
func (d *decoder) readAnswer() bool {
	if !d.parser.inner {
		if !d.beginAnswer() {
			return true
		}
	}
	switch d.parser.step() {
	case more:
		return false
	case complete:
		a := d.answer
		d.answer = nil
		d.take(a)
	case malformed:
		d.broken(decode.Server)
	}
	return true
}

// beginAnswer makes what collects the next value, and reports whether there is
// one: not between a replica and its server.
func (d *decoder) beginAnswer() bool {
	if d.answer != nil {
		return true // its first line is not complete
	}
	b := d.in[decode.Server].Bytes()
	head := d.pending.head()
	if head != nil && (head.name == "SYNC" || head.name == "PSYNC") {
		if b[0] == '\n' {
			// Servers say that they are alive with an empty line.
			d.in[decode.Server].Advance(1)
			return false
		}
		if head.name == "SYNC" && b[0] == '$' {
			d.pending.pop()
			head.e.Status, head.e.Answered = "RDB", d.in[decode.Server].At()
			head.e.Ended = head.e.Answered
			d.c.Emit(head.e)
			d.replica, d.mode, d.rdb = true, sendingRDB, &rdb{}
			return false
		}
	}
	a := d.newAnswer()
	if head != nil && b[0] != '>' {
		a.mask = head.mask
		if head.name == "EXEC" {
			a.kid, a.done = d.beginQueued, d.endQueued
		}
	}
	a.pushes = d.version != "3" && (d.channels+d.patterns+d.shards > 0 || d.unsure)
	d.answer, d.parser.v = a, a
	return true
}

func (d *decoder) newAnswer() *answer {
	n := d.c.Limits.Body
	return &answer{at: &d.parser, limit: n, body: decode.NewBody(n), secrets: d.c.Secrets}
}

// take takes a value that is complete.
func (d *decoder) take(a *answer) {
	if a.typ == '>' || a.typ == '%' || a.typ == '~' || a.typ == '#' || a.typ == ',' {
		d.version = "3"
	}
	head := d.pending.head()
	if head != nil && head.confirmed && a.typ != '>' && a.raw == 0 && !d.isConfirmation(a, head) {
		// There were fewer subscriptions than were thought.
		d.c.Emit(d.pending.pop().e)
		head = d.pending.head()
	}
	switch {
	case d.isConfirmation(a, head):
		d.confirm(a, head)
	case a.typ == '>' || a.raw > 0:
		d.pushed(a)
	case d.monitoring && a.typ == '+' && isMonitorLine(a.text):
		d.monitored(a)
	case d.pending.forgotten > 0:
		d.pending.forgotten--
		d.c.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: d.parser.size})
	case head == nil:
		d.orphan(a)
	case a.typ == '+' && string(a.text) == "QUEUED" && (d.multi || d.unsure):
		d.enqueue(a)
	default:
		d.pending.pop()
		d.finish(head, a)
		d.c.Emit(head.e)
		d.effects(head, a)
	}
}

// finish puts an answer to its command.
func (d *decoder) finish(p *pending, a *answer) {
	e := p.e
	e.Answered, e.Ended = d.parser.begin, d.parser.last
	d.fill(e, a, d.parser.size-a.inKids)
	if p.name == "EXEC" {
		d.endTransaction(a)
	}
}

// fill puts an answer of a size into an exchange.
func (d *decoder) fill(e *decode.Exchange, a *answer, size int64) {
	e.Status, e.Failed = a.status(), a.failed()
	if d.version != "" {
		e.Version = d.version
	}
	if d.db != "" && d.db != "0" {
		e.Add("db", d.db)
	}
	if len(a.attrs) > 0 {
		e.Add("attributes", decode.Readable(a.attrs, statusBytes))
	}
	a.fill(&e.Response, size)
}

// orphan emits an answer to a command that was not seen.
func (d *decoder) orphan(a *answer) {
	if !d.unsure {
		// A server that takes no more clients says so before it was asked.
		e := d.fromServer("unasked", a)
		e.Target, e.Failed = a.status(), a.failed()
		d.c.Emit(e)
		return
	}
	e := &decode.Exchange{Protocol: Name, Kind: decode.KindRequest, Answered: d.parser.begin, Ended: d.parser.last}
	e.Unknown = []string{"its command was not captured"}
	e.Request.Incomplete = true
	d.fill(e, a, d.parser.size)
	e.Response.Incomplete = d.parser.inner
	d.c.Emit(e)
}

// halfAnswer emits what was seen of an answer whose rest was not.
func (d *decoder) halfAnswer(why string) {
	a := d.answer
	if a == nil {
		return
	}
	head := d.pending.head()
	switch {
	case a.typ == '>' || a.raw > 0:
		d.pushed(a)
		return
	case d.pending.forgotten > 0:
		d.pending.forgotten--
		d.c.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: d.parser.size})
		return
	case head == nil:
		d.orphan(a)
		return
	}
	d.pending.pop()
	e := head.e
	e.Response.Incomplete = true
	if kid := a.kidNow; kid != nil {
		kid.size = d.parser.size - a.mark
		a.kidNow = nil
		d.endQueued(a.stack[0].n-1, kid)
		if k := d.index(a.stack[0].n-1, a.n); k >= 0 && k < len(d.queued) {
			d.queued[k].done = false
		}
	}
	e.Answered, e.Ended = d.parser.begin, d.parser.last
	d.fill(e, a, d.parser.size-a.inKids)
	if why != "" {
		e.Unknown = append(e.Unknown, why)
	}
	if head.name == "EXEC" {
		d.cutTransaction(why)
	}
	d.c.Emit(e)
}

// effects changes what later answers mean.
func (d *decoder) effects(p *pending, a *answer) {
	if a.failed() {
		return
	}
	switch p.name {
	case "MULTI":
		d.multi = true
	case "DISCARD":
		d.dropTransaction("discarded")
	case "RESET":
		d.dropTransaction("discarded")
		d.version, d.db, d.monitoring = "2", "", false
		d.channels, d.patterns, d.shards = 0, 0, 0
	case "HELLO":
		if p.arg != "" {
			d.version = p.arg
		}
	case "SELECT":
		d.db = p.arg
	case "MONITOR":
		d.monitoring = true
	case "PSYNC", "SYNC":
		d.synchronised(a)
	}
}
