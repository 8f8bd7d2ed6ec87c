package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// postgresSSLRequest asks whether TLS is offered; the answer is one byte, S or
// N (PostgreSQL documentation, "Message Formats").
const postgresSSLRequest = "\x00\x00\x00\x08\x04\xd2\x16\x2f"

// postgresTerminate ends a session politely.
const postgresTerminate = "X\x00\x00\x00\x04"

// postgresStartup is the StartupMessage of protocol 3.0.
func postgresStartup(user, database string) []byte {
	body := []byte("\x00\x03\x00\x00user\x00" + user + "\x00database\x00" + database + "\x00application_name\x00lodge probe\x00\x00")
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

// readPostgres knows the answers to a StartupMessage, and the error that may be
// the answer to SSLRequest. The one byte that is the usual answer to that proves
// nothing: see askPostgres.
func readPostgres(r reply) (*Answer, bool) {
	if string(r.sent) == postgresSSLRequest && r.data[0] != 'E' || string(r.sent) != postgresSSLRequest && !isStartup(r.sent) {
		return nil, false
	}
	a := &Answer{Protocol: "postgresql", Product: "PostgreSQL"}
	for rest := r.data; ; {
		if len(rest) < 5 {
			return orNil(a, a.Auth != "" || a.Refusal != ""), !r.final
		}
		n := binary.BigEndian.Uint32(rest[1:])
		if n < 4 || n > 64<<10 {
			// Servers before version 14 refuse in the form of protocol 2: E, text, zero.
			text, _, ended := bytes.Cut(rest[1:], []byte{0})
			if rest[0] == 'E' && a.Auth == "" && printable(text) && len(text) < 1024 && (!ended || bytes.HasSuffix(text, []byte{'\n'})) {
				a.Refusal = plain(string(text))
				return orNil(a, ended), !ended && !r.final
			}
			return orNil(a, a.Auth != ""), false
		}
		if len(rest)-1 < int(n) {
			return orNil(a, a.Auth != ""), !r.final
		}
		body := rest[5 : 1+n]
		switch rest[0] {
		case 'R':
			if len(body) < 4 {
				return orNil(a, a.Auth != ""), false
			}
			if a.Auth = postgresAuth(body); a.Auth == "" {
				return nil, false
			}
			if a.Auth != "none" {
				return a, false
			}
		case 'E':
			a.RefusalCode, a.Refusal = postgresError(body)
			return orNil(a, len(a.RefusalCode) == 5 || a.Auth != ""), false
		case 'S':
			name, value, _ := strings.Cut(strings.TrimSuffix(string(body), "\x00"), "\x00")
			if name == "server_version" {
				a.Version, _, _ = strings.Cut(plain(value), " ") // "15.18 (Debian 15.18-0+deb12u1)"
			}
		case 'Z':
			return a, false
		case 'K', 'N', 'v':
		default:
			return orNil(a, a.Auth != ""), false
		}
		rest = rest[1+n:]
	}
}

func orNil(a *Answer, ok bool) *Answer {
	if !ok {
		return nil
	}
	return a
}

func isStartup(sent []byte) bool {
	return len(sent) > 8 && string(sent[4:8]) == "\x00\x03\x00\x00"
}

// postgresAuth names the Authentication message, "" where there is no such one.
func postgresAuth(body []byte) string {
	switch binary.BigEndian.Uint32(body) {
	case 0:
		return "none"
	case 2:
		return "kerberos"
	case 3:
		return "password"
	case 5:
		return "md5"
	case 7:
		return "gss"
	case 9:
		return "sspi"
	case 10:
		mechanism, _, _ := bytes.Cut(body[4:], []byte{0})
		return plain(strings.ToLower(string(mechanism)))
	case 6, 8, 11, 12:
		return "required"
	}
	return ""
}

// postgresError takes the SQLSTATE and the text out of an ErrorResponse.
func postgresError(body []byte) (code, text string) {
	for len(body) > 1 && body[0] != 0 {
		value, rest, ok := bytes.Cut(body[1:], []byte{0})
		switch body[0] {
		case 'C':
			code = plain(string(value))
		case 'M':
			text = plain(string(value))
		}
		if !ok {
			break
		}
		body = rest
	}
	if text == "" {
		text = "no reason given"
	}
	return code, text
}

// askPostgres asks whether TLS is offered, and goes on as a client would, to
// learn what the server asks for. It sends no password, and no query. The
// answers S and N to the first question count only if the server goes on like
// PostgreSQL: any greeting may begin with one of these letters.
func askPostgres(ctx context.Context, p *prober, s *session) (*Answer, []byte) {
	q := []byte(postgresSSLRequest)
	if s.say(q) != nil {
		s.closed = true // it may have said why before it closed
	}
	letter := false
	a, data := s.hear(q, 0, func(r reply) (*Answer, bool) {
		if letter = len(r.data) == 1 && (r.data[0] == 'N' || r.data[0] == 'S'); letter {
			return nil, false
		}
		return recognise(r)
	})
	if !letter {
		return p.goOn(ctx, s, a, nil), data
	}
	a = &Answer{Protocol: "postgresql", Product: "PostgreSQL", FirstBytes: string(data)}
	proven := false
	if data[0] == 'S' {
		raw := &recorder{Conn: s.Conn}
		s.Conn = raw
		facts, err := p.handshake(ctx, s, nil)
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
func notPostgres(s *session, raw *recorder, data []byte, err error) (*Answer, []byte) {
	s.Conn = raw.Conn
	data = append(data, raw.bytes()...)
	if errors.As(err, new(tls.RecordHeaderError)) {
		return s.hearOn(nil, data, 0, recognise)
	}
	s.closed = s.closed || failureOf(err) != Timeout
	s.reset = s.reset || failureOf(err) == Reset
	if r := (reply{data: raw.bytes(), final: true}); len(r.data) > 0 {
		if alert, _ := readTLSRecord(r); alert != nil {
			return &Answer{
				Protocol: "postgresql", Product: "PostgreSQL", FirstBytes: string(data[:1]), Offers: []string{"tls"}, TLS: &TLS{}, Refusal: plain(err.Error()),
			}, data
		}
	}
	a, _ := recognise(reply{data: data, final: true})
	return a, data
}

// startPostgres sends the StartupMessage. Where PostgreSQL is not proven yet,
// what was heard so far may be the beginning of another greeting.
func startPostgres(p *prober, s *session, a *Answer, data []byte, proven bool) (*Answer, []byte) {
	took := s.firstByte
	q := postgresStartup(p.opts.User, "postgres")
	if s.say(q) != nil {
		s.closed = true
	}
	got, rest := s.hear(q, 8*grace, func(r reply) (*Answer, bool) {
		if len(r.data) == 0 {
			return nil, true
		}
		got, more := readPostgres(r)
		if got != nil || proven {
			return got, more && !r.final
		}
		other, wait := recognise(reply{data: append(slices.Clone(data), r.data...), final: r.final})
		return other, (more || wait) && !r.final
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
		_, _ = s.Write([]byte(postgresTerminate))
	}
	return a, data
}
