package mqtt

import (
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// session joins the packets of both sides to exchanges.
type session struct {
	conn    *decode.Conn
	version byte // 3, 4 or 5; 0 where CONNECT was not seen
	blind   bool // something that would be known was missed

	hello   *decode.Exchange                            // CONNECT, until CONNACK comes
	pubs    [2]decode.Pending[uint16, *decode.Exchange] // PUBLISH of each side, by identifier
	subs    decode.Pending[uint16, *decode.Exchange]    // SUBSCRIBE and UNSUBSCRIBE
	pings   decode.Pending[uint64, *decode.Exchange]    // PINGREQ, by number
	pinged  uint64                                      // the number of PINGREQ
	aliases [2]decode.Pending[uint16, string]           // topics of each side
}

func newSession(c *decode.Conn) *session {
	return &session{conn: c, blind: c.Midstream}
}

// take joins a packet, and reports whether it is what the protocol allows.
func (s *session) take(p *packet) bool {
	r := decode.NewReader(p.body)
	s.learn(p)
	switch p.typ {
	case connect:
		return s.connect(p, r)
	case connack:
		return s.connack(p, r)
	case publish:
		return s.publish(p, r)
	case puback, pubrec, pubcomp, pubrel:
		return s.acknowledge(p, r)
	case subscribe, unsubscribe:
		return s.subscribe(p, r)
	case suback, unsuback:
		return s.subscribed(p, r)
	case pingreq:
		e := s.exchange(p)
		e.Kind = decode.KindRequest
		s.pinged++
		put(s, &s.pings, s.pinged, e)
	case pingresp:
		e, ok := s.pings.TakeOldest()
		if !ok {
			s.alone(p, s.exchange(p), "its PINGREQ was not seen")
			return true
		}
		s.answer(e, p, typeNames[pingresp])
	case disconnect, auth:
		return s.reasoned(p, r)
	}
	return true
}

// learn finds the version, where CONNECT was not seen, by packets that only one
// version has.
func (s *session) learn(p *packet) {
	if s.version != 0 {
		return
	}
	n := len(p.body)
	switch p.typ {
	case auth:
		s.version = 5
	case disconnect:
		if n > 0 || p.from == decode.Server {
			s.version = 5
		}
	case puback, pubrec, pubrel, pubcomp, unsuback:
		if n > 2 {
			s.version = 5
		}
	case subscribe, unsubscribe:
		_, _, before5 := parseFilters(p.body, 4, p.typ)
		if _, _, ok := parseFilters(p.body, 5, p.typ); ok && !before5 {
			s.version = 5
		} else if before5 && !ok {
			s.version = 4
		}
	}
}

// exchange returns the exchange that a packet begins.
func (s *session) exchange(p *packet) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, Version: versionName(s.version), Kind: decode.KindMessage, From: p.from,
		Method: typeNames[p.typ], Started: p.start, Ended: p.end,
	}
	e.Request.Bytes, e.Request.Incomplete = p.bytes, p.lost
	return e
}

func versionName(v byte) string {
	switch v {
	case 0:
		return ""
	case 3:
		return "3.1"
	case 4:
		return "3.1.1"
	case 5:
		return "5.0"
	}
	return strconv.Itoa(int(v))
}

// put makes an exchange wait for its answer.
func put[K comparable](s *session, q *decode.Pending[K, *decode.Exchange], k K, e *decode.Exchange) {
	if q.Len() >= max(1, s.conn.Limits.Pending) {
		old, _ := q.TakeOldest()
		s.unanswered(old)
	}
	if old, had := q.Put(k, e); had {
		s.unanswered(old)
	}
}

// alone emits an answer whose request is not there.
func (s *session) alone(p *packet, e *decode.Exchange, why string) {
	if s.blind {
		e.Unknown = append(e.Unknown, why)
	}
	s.conn.Emit(e)
}

// answer emits an exchange with its answer.
func (s *session) answer(e *decode.Exchange, p *packet, status string) {
	s.answered(e, p, status)
	s.conn.Emit(e)
}

func (s *session) answered(e *decode.Exchange, p *packet, status string) {
	e.Status, e.Ended = status, p.end
	if e.Answered.IsZero() {
		e.Answered = p.start
	}
	e.Response.Bytes += p.bytes
}

func (s *session) unanswered(e *decode.Exchange) {
	e.Response.Incomplete = true
	s.conn.Emit(e)
}

// reasoned is DISCONNECT or AUTH.
func (s *session) reasoned(p *packet, r *decode.Reader) bool {
	e := s.exchange(p)
	if s.version >= 5 || p.typ == auth {
		var code byte
		if r.Len() > 0 {
			code = r.Uint8()
		}
		if r.Len() > 0 {
			e.Request.Header = properties(s.conn, r)
		}
		if r.Short() {
			return false
		}
		e.Status, e.Code, e.Failed = reason(code, s.version, p.typ), int(code), code >= 0x80
	}
	s.conn.Emit(e)
	return true
}

func (s *session) subscribe(p *packet, r *decode.Reader) bool {
	filters, rest, ok := parseFilters(p.body, s.version, p.typ)
	if !ok || rest.Len() > 0 {
		return false
	}
	e := s.exchange(p)
	e.Kind = decode.KindRequest
	id := r.Uint16()
	e.Stream = uint64(id)
	if s.version >= 5 {
		e.Request.Header = properties(s.conn, r)
		if r.Short() {
			return false
		}
	}
	topics := make([]string, 0, len(filters))
	for _, f := range filters {
		topics = append(topics, f.topic)
		if p.typ != subscribe {
			continue
		}
		e.Add("qos", strconv.Itoa(int(f.options&3)))
		for _, o := range []struct {
			bits byte
			name string
		}{{0x04, "no_local"}, {0x08, "retain_as_published"}, {0x30, "retain_handling"}} {
			if v := f.options & o.bits; v != 0 {
				e.Add(o.name, strconv.Itoa(int(max(1, v>>4))))
			}
		}
	}
	e.Target = strings.Join(topics, ", ")
	put(s, &s.subs, id, e)
	return true
}

// subscribed is SUBACK or UNSUBACK.
func (s *session) subscribed(p *packet, r *decode.Reader) bool {
	id := r.Uint16()
	var header []decode.Field
	if s.version >= 5 {
		header = properties(s.conn, r)
	}
	if r.Short() {
		return false
	}
	status := typeNames[p.typ]
	var failed byte
	if codes := r.Rest(); len(codes) > 0 {
		names := make([]string, 0, len(codes))
		for _, c := range codes {
			names = append(names, reason(c, s.version, p.typ))
			if c >= 0x80 && failed == 0 {
				failed = c
			}
		}
		status = strings.Join(names, ", ")
	}
	e, ok := s.subs.Take(id)
	if !ok {
		e = s.exchange(p)
		e.Stream, e.Status, e.Code, e.Failed = uint64(id), status, int(failed), failed != 0
		e.Request.Header = header
		s.alone(p, e, "what it answers was not seen")
		return true
	}
	e.Response.Header = header
	e.Code, e.Failed = int(failed), failed != 0
	s.answer(e, p, status)
	return true
}

// gap is called when packets of a side were missed.
func (s *session) gap() {
	s.blind = true
	for e, ok := s.pings.TakeOldest(); ok; e, ok = s.pings.TakeOldest() {
		s.unanswered(e)
	}
}

// end emits all that waits.
func (s *session) end() {
	if s.hello != nil {
		s.unanswered(s.hello)
		s.hello = nil
	}
	for side := range s.pubs {
		for e, ok := s.pubs[side].TakeOldest(); ok; e, ok = s.pubs[side].TakeOldest() {
			s.unanswered(e)
		}
	}
	for e, ok := s.subs.TakeOldest(); ok; e, ok = s.subs.TakeOldest() {
		s.unanswered(e)
	}
	s.gap()
}
