package dns

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
)

// session joins queries and responses.
type session struct {
	conn    *decode.Conn
	waiting decode.Pending[number, *query]
}

// number is what tells queries from each other.
type number struct {
	from decode.Side
	id   uint16
}

// query is a query that waits for its response.
type query struct {
	e         *decode.Exchange
	questions []question
	again     int    // how often it was sent again
	lines     int    // details of records
	begun     bool   // a transfer of a zone has begun
	records   int    // of it
	serial    uint32 // of the zone
}

// arrival is where and when a message came.
type arrival struct {
	side       decode.Side
	start, end time.Time
	bytes      int64
}

// maxLines is how many records are shown of one exchange.
const maxLines = 256

func (s *session) take(m *message, a arrival) {
	if m.response() {
		s.response(m, a)
	} else {
		s.query(m, a)
	}
}

func (s *session) query(m *message, a arrival) {
	key := number{a.side, m.id}
	if q, ok := s.waiting.Get(key); ok && sameQuestions(q.questions, m.questions) {
		q.again++
		q.e.Request.Bytes += a.bytes
		return
	}
	e := exchange(m, a)
	e.Kind = decode.KindRequest
	e.Request.Bytes = a.bytes
	q := &query{e: e, questions: m.questions}
	if f := flagNames(m.flags); f != "" {
		e.Add("flags", f)
	}
	if m.edns != "" {
		e.Add("edns", m.edns)
	}
	if m.opcode() == opUpdate {
		q.section("prerequisite", m.answers)
		q.section("update", m.authority)
	} else {
		q.section("known_answer", m.answers)
		q.section("authority", m.authority)
	}
	q.section("additional", m.more)
	if s.waiting.Len() >= max(1, s.conn.Limits.Pending) {
		old, _ := s.waiting.TakeOldest()
		s.unanswered(old)
	}
	if old, had := s.waiting.Put(key, q); had {
		s.unanswered(old)
	}
}

// exchange returns the exchange that a message begins.
func exchange(m *message, a arrival) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, From: a.side, Stream: uint64(m.id), Started: a.start, Ended: a.end,
		Method: opcodeName(m.opcode()),
	}
	switch {
	case len(m.questions) > 0:
		q := m.questions[0]
		e.Target = q.name
		if m.opcode() == opQuery {
			e.Method = typeName(q.typ)
		}
		if c := q.class &^ 0x8000; c != 1 { // the highest bit is mDNS's wish for unicast
			e.Add("class", className(c))
		}
		for _, q := range m.questions[1:] {
			e.Add("question", q.name+" "+typeName(q.typ))
		}
	case len(m.answers) > 0:
		e.Target = m.answers[0].name
		if m.opcode() == opQuery {
			e.Method = typeName(m.answers[0].typ)
		}
	}
	return e
}

func sameQuestions(a, b []question) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		// The case of letters may be changed on the way.
		if a[i].typ != b[i].typ || !strings.EqualFold(a[i].name, b[i].name) {
			return false
		}
	}
	return true
}

// flagNames returns the names of flags as dig prints them.
func flagNames(flags uint16) string {
	var all []string
	for _, f := range []struct {
		bit  uint16
		name string
	}{{flagAuthoritative, "aa"}, {flagTruncated, "tc"}, {flagDesired, "rd"}, {flagAvailable, "ra"}, {flagAuthentic, "ad"}, {flagUnchecked, "cd"}} {
		if flags&f.bit != 0 {
			all = append(all, f.name)
		}
	}
	return strings.Join(all, " ")
}

// section shows the records of a section.
func (q *query) section(name string, records []record) {
	for _, rr := range records {
		if q.lines < maxLines {
			q.e.Add(name, rr.String())
		}
		q.lines++
	}
}

func (s *session) response(m *message, a arrival) {
	key := number{a.side.Other(), m.id}
	q, ok := s.waiting.Get(key)
	if !ok || len(m.questions) > 0 && !sameQuestions(q.questions, m.questions) {
		s.unasked(m, a)
		return
	}
	e := q.e
	first := !q.begun
	q.begun = true
	if e.Answered.IsZero() {
		e.Answered = a.start
	}
	e.Ended = a.end
	e.Response.Bytes += a.bytes
	e.Status, e.Code, e.Failed = rcodeName(m.rcode), m.rcode, m.rcode != 0
	if first {
		if f := flagNames(m.flags); f != "" {
			e.Add("response_flags", f)
		}
		if m.edns != "" {
			e.Add("response_edns", m.edns)
		}
	}
	e.Response.Truncated = e.Response.Truncated || m.flags&flagTruncated != 0
	q.section("answer", m.answers)
	q.section("authority", m.authority)
	q.section("additional", m.more)
	if q.transfers(m) && !s.conn.Datagram {
		return // more messages follow
	}
	s.waiting.Take(key)
	q.finish()
	s.conn.Emit(e)
}

// transfers reports whether more messages of a zone's transfer follow: it ends
// with the SOA that it began with.
func (q *query) transfers(m *message) bool {
	if len(q.questions) != 1 || q.questions[0].typ != typeAXFR && q.questions[0].typ != typeIXFR || m.rcode != 0 || len(m.answers) == 0 {
		return false
	}
	if q.records == 0 {
		if m.answers[0].typ != typeSOA {
			return false
		}
		q.serial = m.answers[0].soa
	}
	q.records += len(m.answers)
	last := m.answers[len(m.answers)-1]
	if q.records == 1 {
		// The zone has not changed, or the first message has only the SOA.
		return q.questions[0].typ == typeAXFR
	}
	return last.typ != typeSOA || last.soa != q.serial
}

func (q *query) finish() {
	if q.again > 0 {
		q.e.Add("sent_again", strconv.Itoa(q.again))
	}
	if n := q.lines - maxLines; n > 0 {
		q.e.Add("…", fmt.Sprintf("%d more", n))
	}
}

// unasked is a response without a query that waits.
func (s *session) unasked(m *message, a arrival) {
	e := exchange(m, a)
	q := &query{e: e}
	e.Status, e.Code, e.Failed = rcodeName(m.rcode), m.rcode, m.rcode != 0
	to := &e.Response
	if m.id == 0 && len(m.questions) == 0 {
		e.Kind = decode.KindMessage // an announcement or an answer of mDNS
		to = &e.Request
	} else {
		e.Kind, e.From = decode.KindRequest, a.side.Other()
		e.Started, e.Answered = time.Time{}, a.start
		e.Unknown = append(e.Unknown, "its query was not seen, or was answered before")
	}
	to.Bytes, to.Truncated = a.bytes, m.flags&flagTruncated != 0
	if f := flagNames(m.flags); f != "" {
		e.Add("response_flags", f)
	}
	if m.edns != "" {
		e.Add("response_edns", m.edns)
	}
	q.section("answer", m.answers)
	q.section("authority", m.authority)
	q.section("additional", m.more)
	q.finish()
	s.conn.Emit(e)
}

func (s *session) unanswered(q *query) {
	q.e.Response.Incomplete = true
	q.finish()
	s.conn.Emit(q.e)
}

// end emits all that waits.
func (s *session) end() {
	for q, ok := s.waiting.TakeOldest(); ok; q, ok = s.waiting.TakeOldest() {
		s.unanswered(q)
	}
}
