package kafka

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
)

// session joins requests and responses.
type session struct {
	conn  *decode.Conn
	blind bool // something that would be known was missed
	// waiting has the requests that wait, by correlation id; tokens have numbers
	// beyond those.
	waiting decode.Pending[int64, *request]
	ids     decode.Pending[[16]byte, string] // names of topics
	// tokens reports that messages without a header are sent: after a SaslHandshake
	// of version 0.
	tokens bool
	token  int64
}

// request is a request that waits for its response.
type request struct {
	e       *decode.Exchange
	api     *api
	key     int16
	version int16
}

func newSession(c *decode.Conn) *session { return &session{conn: c, blind: c.Midstream} }

// learn remembers the name of a topic.
func (s *session) learn(id [16]byte, name string) {
	if _, had := s.ids.Take(id); !had && s.ids.Len() >= max(1, s.conn.Limits.Statements) {
		s.ids.TakeOldest()
	}
	s.ids.Put(id, name)
}

// take joins a message, and reports whether all of it was understood.
func (s *session) take(m *message) bool {
	if m.from == decode.Client {
		if s.tokens && !m.lost && !s.isRequest(m) {
			s.clientToken(m)
			return true
		}
		s.tokens = s.tokens && m.lost
		return s.request(m)
	}
	if _, r, ok := s.waiting.Oldest(); ok && r.api == nil {
		s.serverToken(m)
		return true
	}
	return s.response(m)
}

// isRequest reports whether a message has the header of a request, where tokens
// are sent too.
func (s *session) isRequest(m *message) bool {
	r := decode.NewReader(m.body)
	a := find(int16(r.Uint16()))
	version := int16(r.Uint16())
	r.Uint32()
	n := int16(r.Uint16())
	return !r.Short() && a != nil && version >= 0 && version <= a.max+3 && n >= -1 && int(n) <= r.Len()
}

// request begins an exchange.
func (s *session) request(m *message) bool {
	r := decode.NewReader(m.body)
	key, version := int16(r.Uint16()), int16(r.Uint16())
	id := int32(r.Uint32())
	q := &request{api: find(key), key: key, version: version}
	if q.api == nil {
		q.api = &api{name: fmt.Sprintf("api %d", key), max: -1, flexible: never}
	}
	client := ""
	if key != 7 || version > 0 { // ControlledShutdown of version 0 has none
		client = string(r.Bytes(int(max(0, int16(r.Uint16())))))
	}
	if r.Short() && !m.cut {
		return false
	}
	e := &decode.Exchange{
		Protocol: Name, Version: strconv.Itoa(int(version)), Kind: decode.KindRequest, From: decode.Client,
		Method: q.api.name, Stream: uint64(uint32(id)), Started: m.start, Ended: m.end,
	}
	q.e = e
	e.Request.Bytes, e.Request.Incomplete, e.Request.Truncated = m.size+4, m.lost, m.cut
	if client != "" {
		e.Add("client_id", client)
	}
	w := s.walker(q, r)
	w.tagsOfHeader(q)
	good := true
	out := w.out
	if q.api.request != nil && version <= q.api.max {
		w.walk(q.api.request)
		good = s.finish(w, m, e)
		out.fill(e, &e.Request)
		e.Target = out.target()
	} else {
		e.Unknown = append(e.Unknown, s.undecoded(q))
	}
	if key == keyProduce && e.Detail("acks") == "0" {
		e.Kind = decode.KindMessage
		s.conn.Emit(e)
		return good
	}
	s.wait(int64(id), q)
	return good
}

func (s *session) undecoded(q *request) string {
	if q.api.request != nil {
		return fmt.Sprintf("version %d of %s is not decoded", q.version, q.api.name)
	}
	return fmt.Sprintf("the body of %s is not decoded", q.api.name)
}

func (s *session) walker(q *request, r *decode.Reader) *walker {
	return &walker{r: r, version: q.version, flexible: q.version >= q.api.flexible, out: newSummary(s)}
}

// tagsOfHeader skips the tagged fields of a request's header.
func (w *walker) tagsOfHeader(q *request) {
	if q.api.max >= 0 {
		w.tags()
	}
}

// finish reports whether a body was read to its end, no more and no less.
func (s *session) finish(w *walker, m *message, e *decode.Exchange) bool {
	switch {
	case m.gap || m.lost:
		e.Unknown = append(e.Unknown, "a part of it was not captured")
	case m.cut:
		e.Unknown = append(e.Unknown, "it is longer than the limit, and was read up to there")
	case w.r.Short() || w.r.Len() > 0:
		e.Unknown = append(e.Unknown, "its body is not what this version of it has")
		return false
	}
	return true
}

// wait makes a request wait for its response.
func (s *session) wait(id int64, q *request) {
	if s.waiting.Len() >= max(1, s.conn.Limits.Pending) {
		old, _ := s.waiting.TakeOldest()
		s.unanswered(old)
	}
	if old, had := s.waiting.Put(id, q); had {
		s.unanswered(old)
	}
}

func (s *session) unanswered(q *request) {
	q.e.Response.Incomplete = true
	s.conn.Emit(q.e)
}

// response ends an exchange.
func (s *session) response(m *message) bool {
	r := decode.NewReader(m.body)
	id := int32(r.Uint32())
	if r.Short() {
		return m.cut
	}
	q, ok := s.waiting.Take(int64(id))
	if !ok {
		e := &decode.Exchange{
			Protocol: Name, Kind: decode.KindRequest, From: decode.Client, Stream: uint64(uint32(id)),
			Answered: m.start, Ended: m.end, Status: "answered",
			Unknown: []string{"its request was not seen"},
		}
		e.Response.Bytes, e.Response.Incomplete, e.Response.Truncated = m.size+4, m.lost, m.cut
		s.conn.Emit(e)
		return true
	}
	e := q.e
	e.Answered, e.Ended = m.start, m.end
	e.Response.Bytes, e.Response.Incomplete, e.Response.Truncated = m.size+4, m.lost, m.cut
	good := true
	if q.api.response == nil || q.version > q.api.max {
		e.Status = "answered"
		if q.key == keyAPIVersions {
			good = s.newerVersions(q, r, m)
		}
		s.conn.Emit(e)
		return good
	}
	w := s.walker(q, r)
	if q.key == keyAPIVersions {
		if unsupported(r) {
			w.version, w.flexible = 0, false
		}
	} else {
		w.tags()
	}
	w.walk(q.api.response)
	good = s.finish(w, m, e)
	s.answered(q, w.out)
	return good
}

// newerVersions is the response to ApiVersions of a version that is not known: of
// a broker that does not know it either, it has version 0.
func (s *session) newerVersions(q *request, r *decode.Reader, m *message) bool {
	if !unsupported(r) {
		return true
	}
	w := &walker{r: r, out: newSummary(s)}
	w.walk(apiVersionsResponse)
	good := s.finish(w, m, q.e)
	w.out.fill(q.e, &q.e.Response)
	q.e.Status, q.e.Code, q.e.Failed = w.out.status(), int(w.out.code), true
	return good
}

// unsupported reports whether a response to ApiVersions says that its version is
// not supported.
func unsupported(r *decode.Reader) bool {
	probe := *r
	return probe.Uint16() == 35 && !probe.Short()
}

// answered emits an exchange whose response was read.
func (s *session) answered(q *request, out *summary) {
	e := q.e
	out.fill(e, &e.Response)
	e.Status, e.Code, e.Failed = out.status(), int(out.code), out.code != 0
	if q.key == keyFetch && e.Target == "" {
		e.Target = out.target() // a session fetches what was asked for before
	}
	if q.key == keySaslHandshake && q.version == 0 && out.code == 0 {
		s.tokens = true
	}
	s.conn.Emit(e)
}

// gap is called when messages of a side were missed.
func (s *session) gap() { s.blind = true }

// end emits all that waits.
func (s *session) end() {
	for q, ok := s.waiting.TakeOldest(); ok; q, ok = s.waiting.TakeOldest() {
		s.unanswered(q)
	}
}

// firstToken is the number of the first token: correlation ids have 32 bits.
const firstToken = 1 << 40

// clientToken is a token of SASL without a header, which is a secret.
func (s *session) clientToken(m *message) {
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindRequest, From: decode.Client,
		Method: "SaslToken", Started: m.start, Ended: m.end,
	}
	e.Add("auth_bytes", s.conn.Secret(string(m.body)))
	e.Request.Bytes = m.size + 4
	s.token++
	s.wait(firstToken+s.token, &request{e: e})
}

func (s *session) serverToken(m *message) {
	q, _ := s.waiting.TakeOldest()
	q.e.Answered, q.e.Ended, q.e.Status = m.start, m.end, "answered"
	q.e.Response.Bytes, q.e.Response.Incomplete = m.size+4, m.lost
	s.conn.Emit(q.e)
}
