package redis

import (
	"time"

	"lodge/internal/decode"
)

// session is what both sides of a connection share.
type session struct {
	*decode.Conn
	version string    // "2", "3"; empty: not known
	db      string    // that was selected
	unsure  bool      // which command an answer belongs to is not known
	heard   time.Time // when the server's last byte came
}

// exchange returns what a reader has read.
func (s *session) exchange(r *reader, from decode.Side, cut bool) *decode.Exchange {
	c := r.cmd
	e := &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindRequest, From: from,
		Started: r.begin, Ended: r.last, Method: c.method(), Target: c.target(), Group: c.group(),
	}
	r.fill(&e.Request)
	e.Request.Incomplete = cut
	return e
}

// message emits what is not answered.
func (s *session) message(e *decode.Exchange) {
	e.Kind = decode.KindMessage
	s.Emit(e)
}

// incomplete emits a command that was not answered.
func (s *session) incomplete(p *pending, why string) {
	p.e.Response.Incomplete = true
	if why != "" {
		p.e.Unknown = append(p.e.Unknown, why)
	}
	s.Emit(p.e)
}

// fill puts an answer of a size into an exchange.
func (s *session) fill(e *decode.Exchange, a *answer, size int64) {
	e.Status, e.Failed = a.status(), a.failed()
	if s.version != "" {
		e.Version = s.version
	}
	if s.db != "" && s.db != "0" {
		e.Add("db", s.db)
	}
	if len(a.attrs) > 0 {
		e.Add("attributes", decode.Readable(a.attrs, statusBytes))
	}
	a.fill(&e.Response, size)
}

// lose counts bytes of the server that belong to no command that is remembered.
func (s *session) lose(n int64) {
	s.Lost(decode.Loss{Protocol: Name, Side: decode.Server, Reason: decode.LostState, Bytes: n})
}

// newAnswer returns what collects a value, in the place of an old one that is not
// used any more, or nil.
func (s *session) newAnswer(p *parser, old *answer) *answer {
	n := s.Limits.Body
	if old == nil {
		old = &answer{}
	}
	*old = answer{at: p, limit: n, body: decode.NewBody(n), secrets: s.Secrets, stack: old.stack[:0]}
	return old
}
