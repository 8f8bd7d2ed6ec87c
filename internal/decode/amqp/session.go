package amqp

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
)

// session joins the frames of both sides to exchanges: what opens and closes the
// connection, and the channels.
type session struct {
	conn     *decode.Conn
	version  string
	foreign  bool             // the version is not decoded
	hello    *decode.Exchange // until the connection is open, or refused
	blind    bool             // something that would be known was missed
	zero     *channel         // connection methods
	channels decode.Pending[uint16, *channel]
	waiting  int // exchanges that wait, of all channels
	// consumers has whether a consumer's messages need no acknowledgement.
	consumers decode.Pending[consumer, bool]
}

type consumer struct {
	channel uint16
	tag     string
}

func newSession(c *decode.Conn) *session {
	s := &session{conn: c, version: "0-9-1", blind: c.Midstream}
	s.zero = &channel{session: s, known: true}
	return s
}

// header is a protocol header: the client's first bytes; a server sends one where
// it has not the version that the client asks for.
func (s *session) header(from decode.Side, version string, start, end time.Time) {
	if from == decode.Client {
		s.version, s.foreign = version, version == "1.0" || version == "0-10"
		s.hello = &decode.Exchange{
			Protocol: Name, Version: version, Kind: decode.KindSession, From: from,
			Method: "connection.open", Started: start, Ended: end,
		}
		s.hello.Request.Bytes = headerSize
		if s.foreign {
			s.hello.Unknown = append(s.hello.Unknown, "AMQP "+version+" is not decoded")
		}
		return
	}
	e := s.hello
	s.hello = nil
	if e == nil {
		return
	}
	e.Status, e.Failed = "AMQP "+version, version != s.version
	e.Answered, e.Ended = start, end
	e.Response.Bytes += headerSize
	s.conn.Emit(e)
}

// frame takes a method, a header or a heartbeat, and reports whether it is what
// the protocol allows.
func (s *session) frame(f *frame) bool {
	switch f.typ {
	case frameHeartbeat:
		e := s.exchange(f, "heartbeat")
		s.conn.Emit(e)
		return true
	case frameHeader:
		c := s.channel(f.channel)
		return c.header(f)
	}
	r := decode.NewReader(f.payload)
	m := find(r.Uint16(), r.Uint16())
	if m == nil {
		return false
	}
	args := arguments(r, m.args)
	if r.Short() {
		return false
	}
	if m.class == classConnection {
		if f.channel != 0 {
			return false
		}
		s.connection(f, m, args)
		return true
	}
	s.channel(f.channel).method(f, m, args)
	return true
}

func (s *session) exchange(f *frame, method string) *decode.Exchange {
	e := &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindMessage, From: f.from,
		Method: method, Started: f.start, Ended: f.end, Stream: uint64(f.channel),
	}
	e.Request.Bytes = f.bytes
	return e
}

// body is a part of a body frame, of n bytes on the wire.
func (s *session) body(f *frame, part []byte, n int64) {
	s.channel(f.channel).body(f, part, 0, n)
}

// skip is a part of a body frame that was not captured: missing bytes of n are of
// the body.
func (s *session) skip(f *frame, missing, n int64) {
	s.channel(f.channel).body(f, nil, missing, n)
}

// endBody is the end of a body frame.
func (s *session) endBody(f *frame, at time.Time) {
	s.channel(f.channel).complete(f.from, at)
}

// channel returns a channel, which is made where there is none.
func (s *session) channel(number uint16) *channel {
	if number == 0 {
		return s.zero
	}
	c, ok := s.channels.Get(number)
	if !ok {
		if s.channels.Len() >= max(1, s.conn.Limits.Statements) {
			old, _ := s.channels.TakeOldest()
			old.end()
			s.blind = true
		}
		c = &channel{session: s, number: number}
		s.channels.Put(number, c)
	}
	return c
}

// connection is a method of the class connection. Those that open the connection
// are one exchange.
func (s *session) connection(f *frame, m *method, args []decode.Field) {
	switch m.name {
	case "connection.start", "connection.start-ok", "connection.secure", "connection.secure-ok",
		"connection.tune", "connection.tune-ok", "connection.open", "connection.open-ok":
		s.opening(f, m, args)
	case "connection.close":
		if e := s.hello; e != nil && f.from == decode.Server {
			s.hello = nil
			status(e, args)
			e.Answered, e.Ended = f.start, f.end
			s.conn.Emit(e)
		}
		s.zero.method(f, m, args)
	case "connection.update-secret":
		for i := range args {
			if args[i].Name == "new_secret" {
				args[i].Value = s.conn.Secret(args[i].Value)
			}
		}
		s.zero.method(f, m, args)
	default:
		s.zero.method(f, m, args)
	}
}

// opening is a method that opens the connection.
func (s *session) opening(f *frame, m *method, args []decode.Field) {
	e := s.hello
	if e == nil {
		e = s.exchange(f, "connection.open")
		e.Kind, e.From, e.Started, e.Request.Bytes = decode.KindSession, decode.Client, time.Time{}, 0
		e.Unknown = append(e.Unknown, "its begin was not seen")
		s.hello = e
	}
	e.Ended = f.end
	if f.from == decode.Client {
		if e.Started.IsZero() {
			e.Started = f.start
		}
		e.Request.Bytes += f.bytes
	} else {
		if e.Answered.IsZero() {
			e.Answered = f.start
		}
		e.Response.Bytes += f.bytes
	}
	switch m.name {
	case "connection.start":
		e.Response.Header = args
	case "connection.start-ok":
		s.login(e, args)
	case "connection.tune-ok":
		e.Details = append(e.Details, args...)
	case "connection.open":
		e.Target = get(args, "virtual_host")
	case "connection.open-ok":
		e.Status = m.name
		s.hello = nil
		s.conn.Emit(e)
	}
}

// login puts start-ok into a session: the client's properties, the mechanism and
// the user, whose password is a secret.
func (s *session) login(e *decode.Exchange, args []decode.Field) {
	for _, a := range args {
		switch a.Name {
		case "mechanism", "locale":
			e.Add(a.Name, a.Value)
		case "response":
			switch get(args, "mechanism") {
			case "PLAIN":
				if parts := strings.Split(a.Value, "\x00"); len(parts) == 3 {
					e.Add("user", parts[1])
				}
			case "AMQPLAIN":
				e.Add("user", get(pairs(decode.NewReader([]byte(a.Value)), nil, "", 0), "LOGIN"))
			}
			e.Add("response", s.conn.Secret(a.Value))
		default:
			e.Request.Header = append(e.Request.Header, a)
		}
	}
}

// status puts the code and the text of a close or a return into an exchange.
func status(e *decode.Exchange, args []decode.Field) {
	code, text := get(args, "reply_code"), get(args, "reply_text")
	e.Status = strings.TrimSpace(code + " " + text)
	e.Code, _ = strconv.Atoi(code)
	e.Failed = e.Code >= 300
}

// gap is called when frames of a side were missed.
func (s *session) gap(from decode.Side) {
	s.blind = true
	for n := s.channels.Len(); n > 0; n-- {
		// Each is put back behind the others.
		number, c, _ := s.channels.Oldest()
		c.gap(from)
		s.channels.Put(number, c)
	}
}

// end emits all that waits.
func (s *session) end() {
	if e := s.hello; e != nil {
		s.hello = nil
		e.Response.Incomplete = true
		s.conn.Emit(e)
	}
	s.zero.end()
	for c, ok := s.channels.TakeOldest(); ok; c, ok = s.channels.TakeOldest() {
		c.end()
	}
}

// inflate undoes the encoding of a body that is there as a whole.
func (s *session) inflate(e *decode.Exchange, m *decode.Message) {
	m.Encoding = get(m.Header, "content_encoding")
	switch {
	case m.Encoding == "gzip" && bytes.HasPrefix(m.Body, []byte{0x1f, 0x8b}):
		out, more, err := decode.Gunzip(m.Body, s.conn.Limits.Body)
		if err != nil && len(out) == 0 {
			break
		}
		m.Body, m.Truncated = out, m.Truncated || more
		return
	case m.Encoding == "" || m.Encoding == "identity" || len(m.Body) == 0 || !compressed(m.Encoding):
		m.Encoding = "" // such as a name of a character set
		return
	}
	e.Unknown = append(e.Unknown, "the body is encoded with "+m.Encoding)
}

func compressed(encoding string) bool {
	switch strings.ToLower(encoding) {
	case "gzip", "deflate", "br", "zstd", "lz4", "snappy", "zlib", "bzip2", "compress":
		return true
	}
	return false
}
