package postgresql

import (
	"fmt"
	"strings"
	"time"

	"lodge/internal/decode"
)

// session is the begin of a connection, until the server is ready for the first
// statement.
type session struct {
	conn        *decode.Conn
	x           *decode.Exchange
	asked       string // what kind of encryption was, and what was answered
	encryption  string
	begun       bool // the StartupMessage was sent
	application string
	method      string // of the authentication
	mechanism   string // of SASL
	details     []decode.Field
	notices     notices
	done        bool
}

func newSession(s *state, m message) *session {
	return &session{conn: s.conn, x: &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindSession, From: decode.Client,
		Method: "connect", Started: m.at,
	}}
}

// add counts a message of the client.
func (x *session) add(m message) {
	x.x.Request.Bytes += m.size
	x.x.Ended = m.end
}

// answered notes what the server answered to a request for encryption.
func (x *session) answered(at time.Time, how string) {
	x.encryption = how
	x.details = append(x.details, decode.Field{Name: x.asked, Value: how})
	x.x.Response.Bytes++
	x.x.Ended = at
}

// password handles a client's message of the authentication.
func (x *session) password(m message) {
	x.add(m)
	r := reader{b: m.body}
	f := decode.Field{Name: "password"}
	switch x.method {
	case "SASL":
		if x.mechanism == "" {
			x.mechanism = r.text()
			r.int32()
			f.Name = "SASLInitialResponse"
		} else {
			f.Name = "SASLResponse"
		}
		f.Value = x.conn.Secret(string(r.b))
	case "GSS", "SSPI":
		f.Name = "GSSResponse"
		f.Value = x.conn.Secret(fmt.Sprintf("%x", r.b))
	default:
		f.Value = x.conn.Secret(r.text())
	}
	x.x.Request.Header = append(x.x.Request.Header, f)
}

// server handles a message of the server.
func (x *session) server(m message) {
	e := x.x
	if e.Response.Bytes == 0 {
		e.Answered = m.at
	}
	e.Response.Bytes += m.size
	e.Ended = m.end
	r := reader{b: m.body}
	switch m.kind {
	case 'R':
		x.authentication(&r)
	case 'S':
		name := r.text()
		e.Response.Header = append(e.Response.Header, decode.Field{Name: name, Value: r.text()})
	case 'K':
		x.details = append(x.details, decode.Field{Name: "process", Value: fmt.Sprint(uint32(r.int32()))})
		if x.conn.Secrets {
			x.details = append(x.details, decode.Field{Name: "key", Value: fmt.Sprintf("%x", r.b)})
		}
	case 'v':
		minor := r.int32()
		x.details = append(x.details, decode.Field{Name: "negotiated version", Value: fmt.Sprintf("3.%d", minor&0xffff)})
		e.Version = fmt.Sprintf("3.%d", minor&0xffff)
		for n := r.int32(); n > 0 && !r.bad; n-- {
			x.details = append(x.details, decode.Field{Name: "option not supported", Value: r.text()})
		}
	case 'N':
		x.notices.add(readFields(m.body).String())
	case 'E':
		f := readFields(m.body)
		e.Status, e.Failed = f.status(), true
		x.details = append(x.details, f.details()...)
		x.done = true
	case 'Z':
		x.done = true
	}
}

func (x *session) authentication(r *reader) {
	switch code := r.int32(); code {
	case 0:
		x.x.Status = "AuthenticationOk"
		if x.method == "" {
			x.method = "none asked for"
		}
	case 2:
		x.method = "KerberosV5"
	case 3:
		x.method = "CleartextPassword"
	case 5:
		x.method = "MD5Password"
	case 6:
		x.method = "SCMCredential"
	case 7:
		x.method = "GSS"
	case 9:
		x.method = "SSPI"
	case 10:
		x.method = "SASL"
		var offered []string
		for len(r.b) > 0 {
			if name := r.text(); name != "" {
				offered = append(offered, name)
			}
		}
		x.details = append(x.details, decode.Field{Name: "mechanisms", Value: strings.Join(offered, ", ")})
	case 8, 11, 12:
		// They continue what has a name already.
	default:
		x.method = fmt.Sprintf("authentication %d", code)
	}
}

// finish completes the exchange.
func (x *session) finish(s *state) *decode.Exchange {
	e := x.x
	if !x.begun {
		e.Method = x.asked
		if e.Status == "" {
			e.Status = x.encryption
		}
	} else if !x.done {
		e.Response.Incomplete = true
		e.Status = ""
	}
	method := x.method
	if method == "SASL" && x.mechanism != "" {
		method = x.mechanism
	}
	add := func(name, value string) {
		if value != "" {
			e.Add(name, value)
		}
	}
	if x.begun {
		add("database", s.database)
		add("user", s.user)
		add("application", x.application)
		add("authentication", method)
	}
	e.Details = append(e.Details, x.details...)
	e.Details = append(e.Details, x.notices.fields()...)
	return e
}
