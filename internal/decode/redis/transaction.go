package redis

// enqueue keeps a command that a server has queued until EXEC.
func (d *decoder) enqueue(a *answer) {
	p := d.pending.pop()
	p.e.Status = "QUEUED"
	p.e.Answered, p.e.Ended = d.parser.begin, d.parser.last
	p.e.Response.Bytes = d.parser.size
	d.queued = append(d.queued, p)
	if len(d.queued) > d.pending.limit {
		old := d.queued[0]
		d.queued = d.queued[1:]
		d.lost++
		d.incomplete(old, "more commands were queued than are remembered")
	}
}

// index returns which of the queued commands the i-th of n answers of EXEC is
// for. The first commands may not be known, the last ones are.
func (d *decoder) index(i, n int64) int {
	if n < 0 {
		return int(i) - d.lost
	}
	return int(i - (n - int64(len(d.queued))))
}

// beginQueued returns what collects an answer within EXEC's.
func (d *decoder) beginQueued(i, n int64) *answer {
	a := d.newAnswer()
	if k := d.index(i, n); k >= 0 && k < len(d.queued) {
		a.mask = d.queued[k].mask
		d.queued[k].e.Answered = d.parser.last
	}
	return a
}

// endQueued puts an answer within EXEC's to its command.
func (d *decoder) endQueued(i int64, a *answer) {
	exec := d.answer
	k := d.index(i, exec.n)
	if k < 0 || k >= len(d.queued) || exec.n >= 0 && exec.n < int64(len(d.queued)) {
		return
	}
	p := d.queued[k]
	p.e.Ended = d.parser.last
	d.fill(p.e, a, a.size)
	p.e.Add("transaction", "executed")
	p.done = true
	exec.inKids += a.size
	if !a.failed() && p.name == "SELECT" {
		d.db = p.arg
	}
}

// endTransaction emits the commands of a transaction after EXEC was answered.
func (d *decoder) endTransaction(a *answer) {
	how := "aborted"
	switch {
	case a.failed():
		how = "discarded"
	case a.typ != '_':
		how = ""
	}
	d.dropTransaction(how)
}

// dropTransaction emits the commands that are queued. Those that were not
// executed keep the status "QUEUED".
func (d *decoder) dropTransaction(how string) {
	for _, p := range d.queued {
		switch {
		case p.done:
		case how == "":
			p.e.Response.Incomplete = true
			p.e.Unknown = append(p.e.Unknown, "EXEC has another number of answers than commands")
		default:
			p.e.Add("transaction", how)
		}
		d.c.Emit(p.e)
	}
	d.queued, d.multi, d.lost = nil, false, 0
}

// cutTransaction emits the commands that are queued, when the rest of EXEC's
// answer will not be seen.
func (d *decoder) cutTransaction(why string) {
	for _, p := range d.queued {
		if p.done {
			d.c.Emit(p.e)
		} else {
			d.incomplete(p, why)
		}
	}
	d.queued, d.multi, d.lost = nil, false, 0
}
