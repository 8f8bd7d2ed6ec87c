package postgresql

import (
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/recent"
)

// state is what both directions of a connection share.
type state struct {
	conn           *decode.Conn
	version        string
	user, database string
	session        *session // until the connection is ready

	statements *recent.Map[string, *statement]
	portals    *recent.Map[string, *portal]

	queue  queue
	lead   *exchange // the client has sent messages for it, and may send more
	orphan *exchange // the server answers what was not seen
	copy   *exchange // the client sends data for it

	// failed means that the server ignores what comes before the next Sync.
	failed bool
	// unsure means that requests were not seen: a response belongs to the next
	// request only after the server was ready for it.
	unsure bool
	// heard means that messages of the server came since it was last ready.
	heard bool
	in    *stream // of the server
	// gapped means that the server's ReadyForQuery may have been in a gap.
	gapped bool
	// lost means that bytes are missing, and not only from before the recording.
	lost bool
	// skipReady counts the ReadyForQuery messages that end responses to requests
	// which were given up; forgetting is set until the one is counted that ends
	// the last such response.
	skipReady  int
	forgetting bool
}

func newState(c *decode.Conn) *state {
	heavy := 16 * int64(max(c.Limits.Message, minHeld))
	return &state{
		conn:       c,
		version:    "3.0",
		statements: recent.New[string, *statement](c.Limits.Statements, heavy),
		portals:    recent.New[string, *portal](c.Limits.Statements, heavy),
		queue:      queue{limit: max(c.Limits.Pending, 1), heavy: heavy},
	}
}

// entry is a message of the client that the server answers.
type entry struct {
	kind byte
	x    *exchange // nil for a Sync of which nothing is told
	// rest are the statements of a query after x's.
	rest []*exchange
	text string // of a query with several statements
	// what a Parse or a Describe is about
	name   string
	stmt   *statement
	portal *portal
	before *statement // what the name of a Parse stood for before
	weight int64
}

// endsReady reports whether a ReadyForQuery follows the answer to a message.
func endsReady(kind byte) bool { return kind == 'Q' || kind == 'S' || kind == 'F' }

// queue has what the server has yet to answer, the oldest first.
type queue struct {
	entries  []*entry
	limit    int // of requests: of what may be in it beside them, eight times as many
	heavy    int64
	requests int
	weight   int64
	newest   *entry // of the requests
}

// isRequest reports whether a message is one that is counted as a request.
func isRequest(kind byte) bool { return kind == 'Q' || kind == 'E' || kind == 'F' }

func (q *queue) add(e *entry) {
	q.entries = append(q.entries, e)
	q.weight += e.weight
	if isRequest(e.kind) {
		q.requests++
		q.newest = e
	}
}

// take removes the first entry.
func (q *queue) take() *entry {
	e := q.entries[0]
	q.entries[0] = nil
	q.entries = q.entries[1:]
	q.weight -= e.weight
	if isRequest(e.kind) {
		if q.requests--; q.requests == 0 {
			q.newest = nil
		}
	}
	return e
}

func (q *queue) full() bool {
	return q.requests > q.limit || len(q.entries) > 8*q.limit || q.weight > q.heavy
}

func (q *queue) last() *entry {
	if n := len(q.entries); n > 0 {
		return q.entries[n-1]
	}
	return nil
}

// find returns the index of the first entry of one of some kinds, before which
// no other response ends; -1 where there is none.
func (q *queue) find(kinds string) int {
	for i, e := range q.entries[:min(len(q.entries), maxUnanswered)] {
		if strings.IndexByte(kinds, e.kind) >= 0 {
			return i
		}
		if endsReady(e.kind) {
			break
		}
	}
	return -1
}

// maxUnanswered is how many entries may have no answer before one that has: where
// a gap took answers, and elsewhere none.
const maxUnanswered = 256

// readies is how many ReadyForQuery messages are awaited.
func (q *queue) readies() int {
	n := 0
	for _, e := range q.entries {
		if endsReady(e.kind) {
			n++
		}
	}
	return n
}

const (
	unknownText   = "its statement was sent before the recording began"
	unknownLost   = "its statement was not captured"
	unknownAnswer = "its response cannot be told from those of requests that were not captured"
	unknownPart   = "part of its response was not captured"
	unknownEnd    = "the end of its response was not captured"
)

// push appends a message that the server answers.
func (s *state) push(e *entry, m message) {
	if e.x != nil {
		e.x.sent(m)
	}
	e.weight = m.size
	if s.gapped && s.busy() && len(s.queue.entries) > 0 {
		s.giveUp(unknownEnd)
	}
	switch {
	case s.failed && e.kind != 'S':
		s.discard(e)
		return
	case s.unsure && (s.busy() || len(s.queue.entries) > 0):
		s.eachOf(e, func(x *exchange) { x.unknown(unknownAnswer) })
		return
	}
	s.failed, s.unsure = false, false
	if s.forgetting {
		if endsReady(e.kind) {
			s.forgetting = false
			s.skipReady++
		}
		s.eachOf(e, func(*exchange) {})
		return
	}
	if e.x != nil {
		e.x.open++
	}
	s.queue.add(e)
	if s.queue.full() {
		s.forget()
	}
}

// busy reports whether the server may be in the middle of a response.
func (s *state) busy() bool {
	return s.heard || s.in.seeking && s.in.skipped+int64(s.in.Len()) > 0
}

// eachOf emits the exchanges of an entry that is not queued, as far as they are
// closed.
func (s *state) eachOf(e *entry, mark func(*exchange)) {
	if e.x == nil {
		return
	}
	for _, x := range append([]*exchange{e.x}, e.rest...) {
		mark(x)
		if x.closed && x.open == 0 {
			x.emit(s, x.complete)
		}
	}
}

// discard marks an entry as one that the server ignores.
func (s *state) discard(e *entry) {
	if e.kind == 'P' {
		s.restore(e)
	}
	s.eachOf(e, (*exchange).skip)
}

// restore undoes what a Parse did that was not executed.
func (s *state) restore(e *entry) {
	if now, ok := s.statements.Get(e.name); !ok || now != e.stmt {
		return
	}
	if e.before != nil {
		s.statements.Set(e.name, e.before, e.before.weight())
		return
	}
	s.statements.Delete(e.name)
}

// forget emits the oldest requests, of which there are too many, up to the end
// of a response, which is skipped when it comes.
func (s *state) forget() {
	for len(s.queue.entries) > 0 {
		e := s.queue.take()
		s.drop(e, "its response: too many requests are waiting for theirs")
		if endsReady(e.kind) {
			s.skipReady++
			return
		}
	}
	s.forgetting = true
}

// drop emits the exchanges of an entry without the end of their response.
func (s *state) drop(e *entry, why string) {
	if e.x == nil {
		return
	}
	e.x.open--
	for _, x := range append([]*exchange{e.x}, e.rest...) {
		if why != "" {
			x.unknown(why)
		}
		if x.open <= 0 {
			x.closed = true
			x.emit(s, false)
		}
	}
	if s.lead == e.x {
		s.lead = nil
	}
}

// giveUp drops all requests that wait for a response.
func (s *state) giveUp(why string) {
	if s.lead != nil {
		s.lead.closed = true
	}
	for len(s.queue.entries) > 0 {
		s.drop(s.queue.take(), why)
	}
	s.copy, s.gapped, s.failed, s.lead = nil, false, false, nil
}

// release takes an exchange's entry off, and emits the exchange if it was the
// last one.
func (s *state) release(x *exchange) {
	if x == nil {
		return
	}
	x.open--
	if x.open <= 0 && x.closed {
		x.emit(s, true)
	}
}

// endOrphan emits the response to a request that was not seen.
func (s *state) endOrphan() {
	if s.orphan != nil {
		s.orphan.emit(s, s.orphan.complete)
		s.orphan = nil
	}
}

// why says why a request was not seen.
func (s *state) why() string {
	if s.conn.Midstream && !s.lost {
		return unknownText
	}
	return unknownLost
}

// endSession emits the begin of the connection.
func (s *state) endSession() {
	if s.session != nil {
		s.conn.Emit(s.session.finish(s))
		s.session = nil
	}
}

// gap notes that bytes of a side are missing.
func (s *state) gap(side decode.Side) {
	s.lost = true
	if s.session != nil {
		s.session.x.Unknown = append(s.session.x.Unknown, "part of it was not captured")
		s.endSession()
	}
	if side == decode.Client {
		s.unsure = true
		if s.lead != nil {
			s.lead.closed = true
			s.lead.unknown("part of its request was not captured")
			s.lead = nil
		}
		if s.copy != nil {
			s.copy.unknown("part of its data was not captured")
		}
		return
	}
	s.heard, s.skipReady = true, 0
	if s.forgetting || s.queue.readies() > 1 {
		s.giveUp(unknownPart)
		s.forgetting, s.unsure = false, true
		return
	}
	for _, e := range s.queue.entries {
		if e.x != nil {
			e.x.unknown(unknownPart)
		}
		s.gapped = true
	}
	if s.orphan != nil {
		s.orphan.unknown(unknownPart)
	}
}

// end emits what has begun.
func (s *state) end() {
	s.endSession()
	s.giveUp("")
	s.endOrphan()
}
