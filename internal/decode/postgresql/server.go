package postgresql

import (
	"fmt"
	"unicode/utf8"

	"lodge/internal/decode"
)

// server handles the messages of the server.
type server struct {
	*state
	scratch []byte // for values
}

func (s *server) message(m message) {
	if s.session != nil {
		s.session.server(m)
		if s.session.done {
			s.endSession()
		}
		return
	}
	switch m.kind {
	case 'N', 'S', 'A':
		s.asynchronous(m)
		return
	case 'Z':
		s.heard = false
	default:
		s.heard = true
	}
	if s.skipReady > 0 || s.forgetting {
		s.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: m.size})
		if m.kind == 'Z' && s.skipReady > 0 {
			s.skipReady--
		}
		return
	}
	switch m.kind {
	case '1', '2', '3':
		s.acknowledge(m)
	case 't', 'T', 'n':
		s.description(m)
	case 'E':
		s.failure(m)
	case 'Z':
		s.ready(m)
	case 'R', 'K', 'v':
		s.stray(m)
	default:
		s.result(m)
	}
}

// stray counts a message that answers what was not seen, and tells nothing.
func (s *server) stray(m message) {
	if s.orphan != nil {
		s.orphan.got(m)
		return
	}
	s.conn.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: m.size})
}

// match returns the first entry of one of some kinds. Those before it have
// been answered, or their answers are missing.
func (s *server) match(kinds string) *entry {
	i := s.queue.find(kinds)
	if i < 0 {
		return nil
	}
	for ; i > 0; i-- {
		s.release(s.queue.take().x)
	}
	return s.queue.entries[0]
}

// acknowledge handles ParseComplete, BindComplete and CloseComplete.
func (s *server) acknowledge(m message) {
	kind, what := "P", "ParseComplete"
	switch m.kind {
	case '2':
		kind, what = "B", "BindComplete"
	case '3':
		kind, what = "C", "CloseComplete"
	}
	e := s.match(kind)
	if e == nil {
		s.stray(m)
		return
	}
	e.x.got(m)
	if e.x.answered == "" || kind != "C" {
		e.x.answered = what
	}
	s.queue.take()
	s.release(e.x)
}

// description handles what a Describe is answered with, and the columns of a
// query's result.
func (s *server) description(m message) {
	kinds := "D"
	if m.kind == 'T' {
		kinds = "DQ"
	}
	e := s.match(kinds)
	switch {
	case e == nil && m.kind == 'T':
		s.orphaned(m).describe(readColumns(m.body), s.conn)
		return
	case e == nil:
		s.stray(m)
		return
	case e.kind == 'Q':
		x := s.current(e)
		x.got(m)
		x.describe(readColumns(m.body), s.conn)
		return
	}
	e.x.got(m)
	switch {
	case e.x.answered != "" || m.kind == 't':
	case m.kind == 'n':
		e.x.answered = "NoData"
	default:
		e.x.answered = "RowDescription"
	}
	switch {
	case m.kind == 't':
		if e.stmt != nil {
			e.stmt.parameters = nil
			r := reader{b: m.body}
			for n := r.int16(); n > 0 && !r.bad; n-- {
				e.stmt.parameters = append(e.stmt.parameters, uint32(r.int32()))
			}
		}
		return // RowDescription or NoData follows
	case m.kind == 'T' && e.portal != nil:
		e.portal.columns = readColumns(m.body)
	case m.kind == 'T' && e.stmt != nil:
		e.stmt.columns = readColumns(m.body)
	}
	s.queue.take()
	s.release(e.x)
}

// current returns the exchange of the statement of a query to which the next
// message belongs.
func (s *server) current(e *entry) *exchange {
	if e.x.complete && len(e.rest) > 0 {
		last := e.x
		e.x, e.rest = e.rest[0], e.rest[1:]
		e.x.open = last.open
		last.open = 0
		last.emit(s.state, true)
	}
	return e.x
}

// orphaned returns the exchange of a response to what was not seen.
func (s *server) orphaned(m message) *exchange {
	if s.orphan != nil && s.orphan.complete {
		s.endOrphan()
	}
	if s.orphan == nil {
		s.orphan = answerOnly(s.state, "")
		s.orphan.unknown(s.why())
	}
	s.orphan.got(m)
	return s.orphan
}

// result handles the messages of a statement's result.
func (s *server) result(m message) {
	kinds := "EQ"
	if m.kind == 'V' {
		kinds = "F"
	}
	e := s.match(kinds)
	var x *exchange
	switch {
	case e == nil:
		x = s.orphaned(m)
	case e.kind == 'Q':
		x = s.current(e)
		x.got(m)
	default:
		x = e.x
		x.got(m)
	}
	r := reader{b: m.body}
	switch m.kind {
	case 'D':
		s.row(x, m)
		return
	case 'C':
		x.tag(r.text())
	case 'I':
		x.Status, x.complete = "EmptyQueryResponse", true
	case 's':
		x.Status, x.complete = "PortalSuspended", true
	case 'G', 'H', 'W':
		s.copyBegins(x, m)
		return
	case 'd':
		x.copying().write(decode.Server, m, s.conn.Limits.Body)
		return
	case 'c':
		return
	case 'V':
		x.Status, x.complete = "FunctionCallResponse", true
		if n := r.int32(); n >= 0 {
			b := decode.NewBody(s.conn.Limits.Body)
			b.Write(r.b)
			b.Fill(&x.Response)
		}
		return
	}
	if s.copy == x {
		s.state.copy = nil
	}
	if e != nil && e.kind == 'E' {
		s.queue.take()
		s.release(x)
	}
}

// row handles a DataRow.
func (s *server) row(x *exchange, m message) {
	columns := x.columns
	if columns == nil && x.portal != nil && x.rows == nil {
		columns = x.portal.resultColumns()
		if columns != nil {
			x.describe(columns, s.conn)
		}
	}
	rows := x.result(s.conn)
	rows.Row(m.size - 5)
	if rows.Full() {
		rows.EndRow(false)
		return
	}
	r := reader{b: m.body}
	for i, n := 0, r.int16(); i < n; i++ {
		size := r.int32()
		switch {
		case r.bad:
			rows.EndRow(false)
			return
		case size < 0:
			rows.Null()
			continue
		}
		v := r.take(min(int(size), len(r.b)))
		var c column
		switch {
		case i < len(columns):
			c = columns[i]
		case x.portal != nil:
			c.binary = format(x.portal.formats, i) == 1
		case !utf8.Valid(v):
			c.binary = true // in a response of which the columns are not known
		}
		if c.binary {
			s.scratch = appendBinary(s.scratch[:0], c.kind, v)
			v = s.scratch
		}
		rows.Value(v)
		if r.bad || len(r.b) == 0 && !m.whole {
			rows.EndRow(false)
			return
		}
	}
	rows.EndRow(m.whole)
}

// asynchronous handles what the server may send at any time.
func (s *server) asynchronous(m message) {
	var x *exchange
	switch {
	case len(s.queue.entries) > 0:
		x = s.queue.entries[0].x
	case s.orphan != nil:
		x = s.orphan
	}
	r := reader{b: m.body}
	e := &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindMessage, From: decode.Server,
		Started: m.at, Ended: m.end, Request: decode.Message{Bytes: m.size},
	}
	body := decode.NewBody(s.conn.Limits.Body)
	switch m.kind {
	case 'N':
		text := readFields(m.body).String()
		if x != nil {
			x.got(m)
			x.notices.add(text)
			return
		}
		e.Method = "notice"
		body.Write([]byte(text))
	case 'S':
		name, value := r.text(), r.text()
		if x != nil {
			x.got(m)
			x.details = append(x.details, decode.Field{Name: "parameter", Value: name + "=" + value})
			return
		}
		e.Method, e.Target = "parameter", name
		body.Write([]byte(value))
	case 'A':
		pid := uint32(r.int32())
		e.Method, e.Target = "notify", r.text()
		e.Add("process", fmt.Sprint(pid))
		body.Write([]byte(r.text()))
	}
	body.Fill(&e.Request)
	s.conn.Emit(e)
}
