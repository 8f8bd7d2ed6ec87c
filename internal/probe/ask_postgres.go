package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"lodge/internal/probe/answer"
)

// askPostgres asks whether TLS is offered, and goes on as a client would, to
// learn what the server asks for. It sends no password, and no query. The
// answers S and N to the first question count only if the server goes on like
// PostgreSQL: any greeting may begin with one of these letters.
func askPostgres(ctx context.Context, p *prober, s *session) (*answer.Answer, []byte) {
	q := []byte(answer.PostgresSSLRequest)
	if s.say(q) != nil {
		s.closed = true // it may have said why before it closed
	}
	letter := false
	a, data := s.hear(q, 0, func(r answer.Reply) (*answer.Answer, bool) {
		if letter = len(r.Data) == 1 && (r.Data[0] == 'N' || r.Data[0] == 'S'); letter {
			return nil, false
		}
		return answer.Recognise(r)
	})
	if !letter {
		return s.complete(a, nil), data
	}
	a = &answer.Answer{Protocol: "postgresql", Product: "PostgreSQL", FirstBytes: string(data)}
	proven := false
	if data[0] == 'S' {
		raw := &recorder{Conn: s.Conn}
		s.Conn = raw
		facts, err := p.tls.do(ctx, s, nil)
		if facts == nil {
			return notPostgres(s, raw, data, err)
		}
		a.Offers, a.TLS, proven = []string{"tls"}, facts, true
		if err != nil {
			return a, data
		}
	}
	return startPostgres(p, s, a, data, proven)
}

// notPostgres hears the rest of a greeting that began with S.
func notPostgres(s *session, raw *recorder, data []byte, err error) (*answer.Answer, []byte) {
	s.Conn = raw.Conn
	data = append(data, raw.bytes()...)
	if errors.As(err, new(tls.RecordHeaderError)) {
		return s.hearOn(nil, data, 0, answer.Recognise)
	}
	s.closed = s.closed || failureOf(err) != answer.Timeout
	s.reset = s.reset || failureOf(err) == answer.Reset
	if r := (answer.Reply{Data: raw.bytes(), Final: true}); len(r.Data) > 0 {
		if alert, _ := answer.ReadTLSRecord(r); alert != nil {
			return &answer.Answer{
				Protocol: "postgresql", Product: "PostgreSQL", FirstBytes: string(data[:1]), Offers: []string{"tls"}, TLS: &answer.TLS{}, Refusal: answer.Plain(err.Error()),
			}, data
		}
	}
	a, _ := answer.Recognise(answer.Reply{Data: data, Final: true})
	return a, data
}

// startPostgres sends the StartupMessage. Where PostgreSQL is not proven yet,
// what was heard so far may be the beginning of another greeting.
func startPostgres(p *prober, s *session, a *answer.Answer, data []byte, proven bool) (*answer.Answer, []byte) {
	took := s.firstByte
	q := answer.PostgresStartup(p.opts.User, "postgres")
	if s.say(q) != nil {
		s.closed = true
	}
	got, rest := s.hear(q, 8*grace, func(r answer.Reply) (*answer.Answer, bool) {
		if len(r.Data) == 0 {
			return nil, true
		}
		got, more := answer.ReadPostgres(r)
		if got != nil || proven {
			return got, more && !r.Final
		}
		other, wait := answer.Recognise(answer.Reply{Data: append(slices.Clone(data), r.Data...), Final: r.Final})
		return other, (more || wait) && !r.Final
	})
	s.firstByte = took
	switch {
	case got == nil && proven:
		a.User = p.opts.User
		return a, data
	case got == nil || got.Protocol != "postgresql":
		return got, append(data, rest...)
	}
	a.User, a.Auth, a.Version, a.Refusal, a.RefusalCode = p.opts.User, got.Auth, got.Version, got.Refusal, got.RefusalCode
	if a.Auth == "none" && a.Refusal == "" {
		_, _ = s.Write([]byte(answer.PostgresTerminate))
	}
	return a, data
}
