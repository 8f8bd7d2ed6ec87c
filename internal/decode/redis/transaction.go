package redis

// transaction has the commands that a server has queued until EXEC.
type transaction struct {
	*session
	parser *parser
	limit  int
	queued []*pending
	open   bool    // MULTI was seen
	lost   int     // commands that are remembered no more
	exec   *answer // EXEC's, while it is read
}

// add keeps a command that a server has queued.
func (t *transaction) add(p *pending) {
	p.e.Status = "QUEUED"
	p.e.Answered, p.e.Ended = t.parser.begin, t.parser.last
	p.e.Response.Bytes = t.parser.size
	t.queued = append(t.queued, p)
	if len(t.queued) > t.limit {
		old := t.queued[0]
		t.queued = t.queued[1:]
		t.lost++
		t.incomplete(old, "more commands were queued than are remembered")
	}
}

// index returns which of the queued commands the i-th of n answers of EXEC is
// for. The first commands may not be known, the last ones are.
func (t *transaction) index(i, n int64) int {
	if n < 0 {
		return int(i) - t.lost
	}
	return int(i - (n - int64(len(t.queued))))
}

// begin returns what collects an answer within EXEC's.
func (t *transaction) begin(i, n int64) *answer {
	a := t.newAnswer(t.parser, nil)
	if k := t.index(i, n); k >= 0 && k < len(t.queued) {
		a.mask = t.queued[k].mask
		t.queued[k].e.Answered = t.parser.last
	}
	return a
}

// end puts an answer within EXEC's to its command.
func (t *transaction) end(i int64, a *answer) {
	exec := t.exec
	k := t.index(i, exec.n)
	if k < 0 || k >= len(t.queued) || exec.n >= 0 && exec.n < int64(len(t.queued)) {
		return
	}
	p := t.queued[k]
	p.e.Ended = t.parser.last
	t.fill(p.e, a, a.size)
	p.e.Add("transaction", "executed")
	p.done = true
	exec.inKids += a.size
	if !a.failed() && p.name == "SELECT" {
		t.db = p.arg
	}
}

// finish emits the commands of a transaction after EXEC was answered.
func (t *transaction) finish(a *answer) {
	how := "aborted"
	switch {
	case a.failed():
		how = "discarded"
	case a.typ != '_':
		how = ""
	}
	t.drop(how)
}

// drop emits the commands that are queued. Those that were not
// executed keep the status "QUEUED".
func (t *transaction) drop(how string) {
	for _, p := range t.queued {
		switch {
		case p.done:
		case how == "":
			p.e.Response.Incomplete = true
			p.e.Unknown = append(p.e.Unknown, "EXEC has another number of answers than commands")
		default:
			p.e.Add("transaction", how)
		}
		t.Emit(p.e)
	}
	t.reset()
}

// cut emits the commands that are queued, when the rest of EXEC's
// answer will not be seen.
func (t *transaction) cut(why string) {
	for _, p := range t.queued {
		if p.done {
			t.Emit(p.e)
		} else {
			t.incomplete(p, why)
		}
	}
	t.reset()
}

func (t *transaction) reset() { t.queued, t.open, t.lost, t.exec = nil, false, 0, nil }

// unfinished marks the i-th answer of EXEC's as incomplete.
func (t *transaction) unfinished(i int64) {
	if k := t.index(i, t.exec.n); k >= 0 && k < len(t.queued) {
		t.queued[k].done = false
	}
}
