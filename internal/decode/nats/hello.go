package nats

import (
	"lodge/internal/decode"
)

// gotInfo is INFO: the first one belongs to the session, later ones are news of
// the cluster.
func (s *session) gotInfo(m *message, e *decode.Exchange) {
	fields, err := members(s.conn, m.op.text)
	if err != nil {
		e.Unknown = append(e.Unknown, "its JSON is damaged")
	}
	e.Request.Header = fields
	s.version = field(fields, "proto")
	e.Version = s.version
	if s.settled || s.info != nil {
		s.conn.Emit(e)
		return
	}
	s.info = e
}

// flushInfo emits an INFO that no CONNECT followed.
func (s *session) flushInfo() {
	if s.info != nil {
		s.conn.Emit(s.info)
		s.info = nil
	}
}

// connect is CONNECT: with the server's INFO it is the session.
func (s *session) connect(m *message, e *decode.Exchange) {
	fields, err := members(s.conn, m.op.text)
	if err != nil {
		e.Unknown = append(e.Unknown, "its JSON is damaged")
	}
	e.Kind = decode.KindSession
	e.Request.Header = fields
	for _, name := range []string{"user", "name", "lang", "version"} {
		if v := field(fields, name); v != "" {
			e.Add(name, v)
		}
	}
	s.verbose = field(fields, "verbose") == "true"
	s.settled = true
	if s.info == nil {
		e.Unknown = append(e.Unknown, "the server's INFO was not seen")
	} else {
		for _, name := range []string{"server_name", "version"} {
			if v := field(s.info.Request.Header, name); v != "" && name == "version" {
				e.Add("server_version", v)
			} else if v != "" {
				e.Add(name, v)
			}
		}
		e.Unknown = append(e.Unknown, s.info.Unknown...)
		e.Response.Header, e.Response.Bytes = s.info.Request.Header, s.info.Request.Bytes
		s.info = nil
	}
	if s.hello != nil {
		s.unanswered(s.hello)
	}
	s.hello = e
}

// accepted is called for what a server sends to a client that it let in. Without
// verbose it does not say so.
func (s *session) accepted(m *message) {
	if s.hello == nil || s.verbose || m.from != decode.Server {
		return
	}
	e := s.hello
	s.hello = nil
	e.Status = m.op.verb
	e.Answered, e.Ended = m.start, m.end
	s.conn.Emit(e)
}

func (s *session) ping(e *decode.Exchange) {
	e.Kind = decode.KindRequest
	q := &s.pings[e.From]
	if len(*q) >= max(1, s.conn.Limits.Pending) {
		s.unanswered((*q)[0])
		*q = (*q)[1:]
	}
	*q = append(*q, e)
}

func (s *session) pong(m *message, e *decode.Exchange) {
	q := &s.pings[m.from.Other()]
	if len(*q) == 0 {
		if s.blind {
			e.Unknown = append(e.Unknown, "its PING was not seen")
		}
		s.conn.Emit(e)
		return
	}
	p := (*q)[0]
	*q = (*q)[1:]
	p.Status, p.Answered, p.Ended = "PONG", m.start, m.end
	p.Response.Bytes = m.bytes
	s.conn.Emit(p)
}

// unanswered emits an exchange whose answer was not seen.
func (s *session) unanswered(e *decode.Exchange) {
	e.Response.Incomplete = true
	s.conn.Emit(e)
}

// dropAcks gives up the answers that are told from each other by their order.
func (s *session) dropAcks() {
	s.verbose, s.blind = false, true
	for _, a := range s.acks {
		if a.to != nil {
			s.unanswered(a.to)
		}
	}
	s.acks = nil
}

// gap is called when messages of a side were missed: answers that are told from
// each other by their order cannot be joined any more.
func (s *session) gap() {
	s.blind = true
	s.dropAcks()
	for side, q := range s.pings {
		for _, e := range q {
			s.unanswered(e)
		}
		s.pings[side] = nil
	}
}

// end emits all that waits, in the order of kinds: nothing more comes.
func (s *session) end() {
	s.flushInfo()
	if s.hello != nil {
		if s.verbose {
			s.hello.Response.Incomplete = true
		}
		s.conn.Emit(s.hello)
		s.hello = nil
	}
	s.dropAcks()
	s.gap()
	for e, ok := s.replies.TakeOldest(); ok; e, ok = s.replies.TakeOldest() {
		s.unanswered(e)
	}
}
