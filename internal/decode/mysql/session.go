package mysql

import (
	"fmt"
	"strconv"
	"strings"

	"lodge/internal/decode"
)

// session is the begin of a connection, until the server accepts the client; or
// a change of its user.
type session struct {
	conn     *decode.Conn
	x        *decode.Exchange
	version  string
	thread   uint32
	offered  uint64
	caps     uint64 // of both
	asked    bool   // the client has answered the greeting
	change   bool
	user     string
	database string
	plugin   string
	zstd     bool
	details  []decode.Field
	done     bool
}

func newSession(s *state) *session {
	return &session{conn: s.conn, x: &decode.Exchange{
		Protocol: Name, Version: "10", Kind: decode.KindSession, From: decode.Client, Method: "connect",
	}}
}

func (x *session) sent(p packet) {
	if x.x.Started.IsZero() || !x.asked {
		x.x.Started = p.at
	}
	x.asked = true
	x.x.Request.Bytes += p.size
	x.x.Ended = p.end
}

func (x *session) got(p packet) {
	if x.asked && x.x.Answered.IsZero() {
		x.x.Answered = p.at
	}
	x.x.Response.Bytes += p.size
	x.x.Ended = p.end
}

// secret notes bytes of the authentication.
func (x *session) secret(name string, b []byte) {
	if len(b) == 0 {
		return
	}
	x.x.Request.Header = append(x.x.Request.Header, decode.Field{Name: name, Value: x.conn.Secret(fmt.Sprintf("%x", b))})
}

// greet handles the server's first packet. It reports whether it is one.
func (s *state) greet(p packet) bool {
	x := newSession(s)
	s.session = x
	x.got(p)
	x.x.Started = p.at
	if len(p.body) > 0 && p.body[0] == 0xff {
		e, ok := readError(p.body)
		if !ok {
			return false
		}
		x.fail(e)
		s.endSession()
		s.giveUp(decode.LostUnknown)
		return true
	}
	g, ok := readGreeting(p.body)
	if !ok || !p.whole() {
		return false
	}
	x.version, x.thread, x.offered, x.plugin = g.version, g.thread, g.caps, g.plugin
	s.phase = login
	return true
}

// login handles the client's packets until it is accepted. It reports whether
// they can be read.
func (s *state) login(p packet) bool {
	x := s.session
	if x.asked {
		x.sent(p)
		x.secret("authentication", p.body)
		return true
	}
	l, ok := readLogin(p.body, x.offered)
	if !ok || !p.whole() {
		return false
	}
	x.sent(p)
	x.caps = l.caps & x.offered
	if l.tls {
		x.x.Method, x.x.Status = "SSLRequest", "accepted"
		s.facts = []decode.Field{
			{Name: "inside", Value: Name},
			{Name: "mysql capabilities", Value: strconv.FormatUint(x.offered, 16)},
			{Name: "server version", Value: x.version},
		}
		x.done = true
		s.endSession()
		s.phase = handedOver
		return true
	}
	x.user, x.database = l.user, l.database
	if l.plugin != "" {
		x.plugin = l.plugin
	}
	x.zstd = x.caps&capZstd != 0 && x.caps&capCompress == 0
	x.secret("password", l.secret)
	x.attributes(l.attributes)
	return true
}

func (x *session) attributes(fields []decode.Field) {
	for _, f := range fields {
		if strings.Contains(strings.ToLower(f.Name), "password") {
			f.Value = x.conn.Secret(f.Value)
		}
		x.x.Request.Header = append(x.x.Request.Header, f)
	}
}

// answer handles the server's packets until the client is accepted.
func (s *state) answer(p packet) {
	x := s.session
	x.got(p)
	if len(p.body) == 0 {
		return
	}
	switch p.body[0] {
	case 0:
		ok := s.readOK(p.body)
		x.done = true
		x.x.Status = "OK"
		if !x.change {
			s.caps, s.capsKnown = x.caps, true
			s.compressed = x.caps&(capCompress|capZstd) != 0
			ok = s.readOK(p.body) // as the capabilities are known now
		}
		s.user, s.database = x.user, x.database
		if ok.schema != "" {
			s.database = ok.schema
		}
		x.details = append(x.details, ok.track...)
		s.endSession()
		s.phase = commands
	case 0xff:
		if e, ok := readError(p.body); ok {
			x.fail(e)
		}
		s.endSession()
		s.phase = commands
	case 0xfe:
		r := reader{b: p.body[1:]}
		if len(r.b) == 0 {
			x.plugin = "mysql_old_password"
		} else {
			x.plugin = r.text()
		}
		x.details = append(x.details, decode.Field{Name: "authentication switched to", Value: x.plugin})
	case 2:
		r := reader{b: p.body[1:]}
		x.details = append(x.details, decode.Field{Name: "next factor", Value: r.text()})
	}
}

func (x *session) fail(e errorPacket) {
	x.x.Status, x.x.Code, x.x.Failed, x.done = e.status(), e.code, true, true
}

// endSession emits the begin of the connection.
func (s *state) endSession() {
	x := s.session
	if x == nil {
		return
	}
	s.session = nil
	e := x.x
	e.Target = x.database
	e.Response.Incomplete = !x.done
	add := func(name, value string) {
		if value != "" {
			e.Add(name, value)
		}
	}
	add("database", x.database)
	add("user", x.user)
	add("authentication", x.plugin)
	add("server version", x.version)
	if x.thread > 0 {
		add("connection", strconv.FormatUint(uint64(x.thread), 10))
	}
	switch {
	case x.caps&capCompress != 0:
		add("compression", "zlib")
	case x.zstd:
		add("compression", "zstd")
	}
	e.Details = append(e.Details, x.details...)
	s.conn.Emit(e)
}
