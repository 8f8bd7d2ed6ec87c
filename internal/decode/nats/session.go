package nats

import (
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// session joins the messages of both sides to exchanges.
type session struct {
	conn    *decode.Conn
	version string           // of the protocol, from INFO
	info    *decode.Exchange // the first INFO, until CONNECT comes
	hello   *decode.Exchange // CONNECT, until the server shows that it took it
	settled bool             // CONNECT was sent
	// blind reports that something that would be known was missed.
	blind bool

	verbose bool // each message of the client is answered by +OK or -ERR
	acks    []ack
	pings   [2][]*decode.Exchange // of each side
	replies decode.Pending[string, *decode.Exchange]
	subs    decode.Pending[string, *subscription]
}

// ack is one answer of verbose that is to come.
type ack struct {
	to    *decode.Exchange // nil for a request, which its reply ends
	reply string           // of a request
}

type subscription struct {
	subject, queue string
	left           int // messages that are to come, where UNSUB has said; else 0
}

func newSession(c *decode.Conn) *session {
	return &session{conn: c, blind: c.Midstream, settled: c.Midstream}
}

// beforeConnect reports that INFO was sent and nothing else, so that TLS may begin.
func (s *session) beforeConnect() bool { return s.info != nil && !s.settled }

// take joins a message.
func (s *session) take(m *message) {
	e := s.exchange(m)
	switch {
	case m.op.verb == "PING":
		s.ping(e)
	case m.op.verb == "PONG":
		s.accepted(m)
		s.pong(m, e)
	case m.from == decode.Client:
		s.fromClient(m, e)
	default:
		s.fromServer(m, e)
	}
}

// exchange returns the exchange that a message begins.
func (s *session) exchange(m *message) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindMessage, From: m.from,
		Method: m.op.verb, Target: m.op.subject, Group: group(m.op.subject),
		Started: m.start, Ended: m.end,
	}
	if status := s.fill(&e.Request, m); status != "" {
		e.Add("status", status)
		e.Code = code(status)
		e.Failed = e.Code >= 400
	}
	if m.cut && !m.lost {
		e.Unknown = append(e.Unknown, "a part of it was not captured, or is longer than the limit")
	}
	return e
}

// group returns a subject without what differs from one message to the next: the
// inbox of a reply, the numbers of a message that JetStream is to acknowledge.
func group(subject string) string {
	if strings.HasPrefix(subject, "_INBOX.") {
		return "_INBOX.*"
	}
	if parts := strings.SplitN(subject, ".", 5); len(parts) == 5 && parts[0] == "$JS" && parts[1] == "ACK" {
		return strings.Join(parts[:4], ".") + ".*"
	}
	return ""
}

// fill puts a message into one side of an exchange, and returns the status in its
// header.
func (s *session) fill(to *decode.Message, m *message) (status string) {
	to.Bytes, to.Incomplete = m.bytes, m.lost
	if m.op.carries {
		m.body.Fill(to)
		secret.Message(s.conn, to, "")
		to.Truncated = to.Truncated || m.cut
	}
	if m.op.header > 0 {
		to.Header, status = headers(m.header)
		secret.Fields(s.conn, to.Header)
	}
	return status
}

func (s *session) fromClient(m *message, e *decode.Exchange) {
	switch m.op.verb {
	case "CONNECT":
		s.connect(m, e)
		return
	case "PUB":
		if m.op.reply != "" {
			e.Add("reply", m.op.reply)
			e.Kind = decode.KindRequest
			if s.replies.Len() >= max(1, s.conn.Limits.Pending) {
				old, _ := s.replies.TakeOldest()
				s.unanswered(old)
			}
			if old, had := s.replies.Put(m.op.reply, e); had {
				s.unanswered(old)
			}
		}
	case "SUB":
		e.Add("sid", m.op.sid)
		if m.op.queue != "" {
			e.Add("queue", m.op.queue)
		}
		if s.subs.Len() >= max(1, s.conn.Limits.Statements) {
			s.subs.TakeOldest()
			s.blind = true
		}
		s.subs.Put(m.op.sid, &subscription{subject: m.op.subject, queue: m.op.queue})
	case "UNSUB":
		e.Add("sid", m.op.sid)
		s.unsubscribe(m, e)
	}
	if s.verbose && len(s.acks) >= max(1, s.conn.Limits.Pending) {
		s.dropAcks()
	}
	switch {
	case s.verbose && m.op.reply != "":
		s.acks = append(s.acks, ack{reply: m.op.reply})
	case s.verbose:
		e.Kind = decode.KindRequest
		s.acks = append(s.acks, ack{to: e})
	case m.op.reply == "":
		s.conn.Emit(e)
	}
}

func (s *session) unsubscribe(m *message, e *decode.Exchange) {
	sub, ok := s.subs.Get(m.op.sid)
	if !ok {
		if s.blind {
			e.Unknown = append(e.Unknown, "its subscription was not seen")
		}
		return
	}
	e.Target = sub.subject
	if m.op.max == "" {
		s.subs.Take(m.op.sid)
		return
	}
	e.Add("max", m.op.max)
	for _, c := range []byte(m.op.max) {
		sub.left = sub.left*10 + int(c-'0')
	}
}

func (s *session) fromServer(m *message, e *decode.Exchange) {
	switch m.op.verb {
	case "INFO":
		s.gotInfo(m, e)
	case "+OK", "-ERR":
		s.answer(m, e)
	case "MSG":
		s.accepted(m)
		s.delivered(m, e)
	}
}

// delivered is a MSG: the reply to a request, or a message of a subscription.
func (s *session) delivered(m *message, e *decode.Exchange) {
	sub, known := s.subs.Get(m.op.sid)
	if known && sub.left > 0 {
		if sub.left--; sub.left == 0 {
			s.subs.Take(m.op.sid)
		}
	}
	if req, ok := s.replies.Take(m.op.subject); ok {
		req.Answered, req.Ended = m.start, m.end
		req.Status = "MSG"
		if status := s.fill(&req.Response, m); status != "" {
			req.Status, req.Code = status, code(status)
			req.Failed = req.Code >= 400
		}
		req.Unknown = append(req.Unknown, e.Unknown...)
		s.conn.Emit(req)
		return
	}
	e.Add("sid", m.op.sid)
	if m.op.reply != "" {
		e.Add("reply", m.op.reply)
	}
	switch {
	case known:
		if sub.subject != m.op.subject {
			e.Add("subscription", sub.subject)
		}
		if sub.queue != "" {
			e.Add("queue", sub.queue)
		}
	case s.blind:
		e.Unknown = append(e.Unknown, "its subscription was not seen")
	}
	s.conn.Emit(e)
}

// answer is +OK or -ERR. Where the client did not ask for verbose, only errors
// are sent, and do not say what they answer.
func (s *session) answer(m *message, e *decode.Exchange) {
	status := m.op.verb
	failed := status == "-ERR"
	if failed {
		status += " " + string(m.op.text)
	}
	to := s.hello
	if to != nil {
		s.hello = nil
	} else if len(s.acks) > 0 {
		next := s.acks[0]
		s.acks = s.acks[1:]
		if to = next.to; to == nil {
			if !failed {
				return
			}
			to, _ = s.replies.Take(next.reply)
		}
	}
	if to == nil {
		e.Status, e.Failed = strings.TrimSpace(status), failed
		if s.blind {
			e.Unknown = append(e.Unknown, "what it answers was not seen")
		}
		s.conn.Emit(e)
		return
	}
	to.Status, to.Failed = strings.TrimSpace(status), failed
	to.Answered, to.Ended = m.start, m.end
	if to.Kind == decode.KindSession {
		to.Response.Bytes += m.bytes // after INFO
	} else {
		to.Response.Bytes = m.bytes
	}
	s.conn.Emit(to)
}
