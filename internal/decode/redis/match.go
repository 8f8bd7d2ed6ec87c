package redis

import "lodge/internal/decode"

// answers reads what a server answers, and puts it to the commands that wait.
type answers struct {
	*session
	in         *decode.Buffer
	parser     parser
	answer     *answer // of the value that is read
	spare      *answer // one that is not used any more
	pending    queue
	tx         transaction
	subscribed subscriptions
	monitoring bool
	// synced is what a server answered to the command of a replica: the connection
	// carries its data from here on.
	synced *pending
	text   []byte // of that answer
}

func newAnswers(s *session, in *decode.Buffer) *answers {
	a := &answers{session: s, in: in}
	a.parser = parser{q: in, maxLine: s.Limits.Message}
	a.pending.limit = max(s.Limits.Pending, 1)
	a.tx = transaction{session: s, parser: &a.parser, limit: a.pending.limit}
	return a
}

// idle lets go of the answer that was read last.
func (d *answers) idle() {
	if d.parser.inner || d.answer != nil {
		return
	}
	d.spare, d.parser.v, d.parser.frames, d.tx.exec = nil, nil, nil, nil
}

// read reads one part of what a server answers.
func (d *answers) read() progress {
	if !d.parser.inner && !d.begin() {
		return stepped
	}
	p := d.parser.step()
	if p == complete {
		a := d.answer
		d.answer = nil
		d.take(a)
		d.spare = a
	}
	return p
}

// begin makes what collects the next value, and reports whether there is
// one: not between a replica and its server.
func (d *answers) begin() bool {
	if d.answer != nil {
		return true // its first line is not complete
	}
	b := d.in.Bytes()
	head := d.pending.head()
	if head != nil && (head.name == "SYNC" || head.name == "PSYNC") {
		if b[0] == '\n' {
			// Servers say that they are alive with an empty line.
			d.in.Advance(1)
			return false
		}
		if head.name == "SYNC" && b[0] == '$' {
			d.pending.pop()
			head.e.Status, head.e.Answered = "RDB", d.in.At()
			head.e.Ended = head.e.Answered
			d.Emit(head.e)
			d.synced = head
			return false
		}
	}
	a := d.newAnswer(&d.parser, d.spare)
	if head != nil && b[0] != '>' {
		a.mask = head.mask
		if head.name == "EXEC" {
			a.kid, a.done, d.tx.exec = d.tx.begin, d.tx.end, a
		}
	}
	a.pushes = d.version != "3" && (d.subscribed.any() || d.unsure)
	d.answer, d.parser.v, d.spare = a, a, nil
	return true
}

// take takes a value that is complete.
func (d *answers) take(a *answer) {
	if a.typ == '>' || a.typ == '%' || a.typ == '~' || a.typ == '#' || a.typ == ',' {
		d.version = "3"
	}
	head := d.pending.head()
	if head != nil && head.confirmed && a.typ != '>' && a.raw == 0 && !isConfirmation(a, head) {
		// There were fewer subscriptions than were thought.
		d.Emit(d.pending.pop().e)
		head = d.pending.head()
	}
	switch {
	case isConfirmation(a, head):
		d.confirm(a, head)
	case a.typ == '>' || a.raw > 0:
		d.pushed(a)
	case d.monitoring && a.typ == '+' && isMonitorLine(a.text):
		d.monitored(a)
	case d.pending.forgotten > 0:
		d.pending.forgotten--
		d.lose(d.parser.size)
	case head == nil:
		d.orphan(a)
	case a.typ == '+' && string(a.text) == "QUEUED" && (d.tx.open || d.unsure):
		d.tx.add(d.pending.pop())
	default:
		d.pending.pop()
		d.finish(head, a)
		d.Emit(head.e)
		d.effects(head, a)
	}
}

// finish puts an answer to its command.
func (d *answers) finish(p *pending, a *answer) {
	e := p.e
	e.Answered, e.Ended = d.parser.begin, d.parser.last
	d.fill(e, a, d.parser.size-a.inKids)
	if p.name == "EXEC" {
		d.tx.finish(a)
	}
}

// orphan emits an answer to a command that was not seen.
func (d *answers) orphan(a *answer) {
	if !d.unsure {
		// A server that takes no more clients says so before it was asked.
		e := d.fromServer("unasked", a)
		e.Target, e.Failed = a.status(), a.failed()
		d.Emit(e)
		return
	}
	e := &decode.Exchange{Protocol: Name, Kind: decode.KindRequest, Answered: d.parser.begin, Ended: d.parser.last}
	e.Unknown = []string{"its command was not captured"}
	e.Request.Incomplete = true
	d.fill(e, a, d.parser.size)
	e.Response.Incomplete = d.parser.inner
	d.Emit(e)
}

// half emits what was seen of an answer whose rest was not.
func (d *answers) half(why string) {
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
		d.lose(d.parser.size)
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
		d.tx.end(a.stack[0].n-1, kid)
		d.tx.unfinished(a.stack[0].n - 1)
	}
	e.Answered, e.Ended = d.parser.begin, d.parser.last
	d.fill(e, a, d.parser.size-a.inKids)
	if why != "" {
		e.Unknown = append(e.Unknown, why)
	}
	if head.name == "EXEC" {
		d.tx.cut(why)
	}
	d.Emit(e)
}

// effects changes what later answers mean.
func (d *answers) effects(p *pending, a *answer) {
	if a.failed() {
		return
	}
	switch p.name {
	case "MULTI":
		d.tx.open = true
	case "DISCARD":
		d.tx.drop("discarded")
	case "RESET":
		d.tx.drop("discarded")
		d.version, d.db, d.monitoring = "2", "", false
		d.subscribed = subscriptions{}
	case "HELLO":
		if p.arg != "" {
			d.version = p.arg
		}
	case "SELECT":
		d.db = p.arg
	case "MONITOR":
		d.monitoring = true
	case "PSYNC", "SYNC":
		d.synced, d.text = p, a.text
	}
}

// flush emits what waits for an answer that will not be seen.
func (d *answers) flush(why string) {
	for {
		p := d.pending.pop()
		if p == nil {
			break
		}
		d.incomplete(p, why)
	}
	d.pending.forgotten = 0
	d.tx.cut(why)
}
