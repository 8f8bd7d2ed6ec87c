package mqtt

import (
	"strconv"

	"lodge/internal/decode"
)

// Flags of CONNECT.
const (
	flagClean    = 0x02
	flagWill     = 0x04
	flagRetain   = 0x20
	flagPassword = 0x40
	flagUser     = 0x80
)

func (s *session) connect(p *packet, r *decode.Reader) bool {
	name := text(r)
	if name != "MQTT" && name != "MQIsdp" {
		return false
	}
	level := r.Uint8()
	s.version = level & 0x7f // the highest bit is set by bridges
	e := s.exchange(p)
	e.Kind = decode.KindSession
	flags := r.Uint8()
	keepAlive := r.Uint16()
	if s.version >= 5 {
		e.Request.Header = properties(s.conn, r)
	}
	e.Target = text(r)
	e.Add("keep_alive", strconv.Itoa(int(keepAlive)))
	if flags&flagClean != 0 {
		e.Add("clean", "true")
	}
	if level != s.version {
		e.Add("bridge", "true")
	}
	if flags&flagWill != 0 {
		if s.version >= 5 {
			for _, f := range properties(s.conn, r) {
				e.Add("will_"+f.Name, f.Value)
			}
		}
		e.Add("will_topic", text(r))
		e.Add("will_bytes", strconv.Itoa(len(text(r))))
		e.Add("will_qos", strconv.Itoa(int(flags>>3&3)))
		if flags&flagRetain != 0 {
			e.Add("will_retain", "true")
		}
	}
	if flags&flagUser != 0 {
		e.Add("user", text(r))
	}
	if flags&flagPassword != 0 {
		e.Add("password", s.conn.Secret(text(r)))
	}
	if r.Short() {
		return false
	}
	if s.hello != nil {
		s.unanswered(s.hello)
	}
	s.hello = e
	return true
}

func (s *session) connack(p *packet, r *decode.Reader) bool {
	flags, code := r.Uint8(), r.Uint8()
	var header []decode.Field
	if r.Len() > 0 && s.version != 3 && s.version != 4 {
		s.version = 5
		header = properties(s.conn, r)
	}
	if r.Short() {
		return false
	}
	e := s.hello
	s.hello = nil
	status := reason(code, s.version, connack)
	if e == nil {
		e = s.exchange(p)
		e.Kind, e.Status = decode.KindSession, status
		e.Request.Header = header
		e.Unknown = append(e.Unknown, "its CONNECT was not seen")
	}
	if flags&1 != 0 {
		e.Add("session_present", "true")
	}
	e.Code, e.Failed = int(code), code != 0
	if e.Method == typeNames[connack] {
		s.conn.Emit(e)
		return true
	}
	e.Response.Header = header
	s.answer(e, p, status)
	return true
}
