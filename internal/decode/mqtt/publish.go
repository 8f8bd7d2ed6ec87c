package mqtt

import (
	"fmt"
	"strconv"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

func (s *session) publish(p *packet, r *decode.Reader) bool {
	e := s.exchange(p)
	e.Target = text(r)
	qos := p.flags >> 1 & 3
	var id uint16
	if qos > 0 {
		id = r.Uint16()
		e.Stream = uint64(id)
	}
	switch {
	case p.version >= 5:
		e.Request.Header = properties(s.conn, r)
	case p.version == 0:
		e.Unknown = append(e.Unknown, "the version is that of a CONNECT before the recording began: in 5.0, the payload begins with properties")
	}
	if r.Short() {
		return false
	}
	s.alias(p, e)
	e.Add("qos", strconv.Itoa(int(qos)))
	if p.flags&1 != 0 {
		e.Add("retain", "true")
	}
	if p.flags&8 != 0 {
		e.Add("dup", "true")
	}
	p.payload.Fill(&e.Request)
	secret.Message(s.conn, &e.Request, property1(e.Request.Header, "content_type"))
	if p.cut || p.lost {
		e.Request.Truncated = true
	}
	if p.cut {
		e.Unknown = append(e.Unknown, "a part of its payload was not captured")
	}
	if qos == 0 {
		s.conn.Emit(e)
		return true
	}
	e.Kind = decode.KindRequest
	put(s, &s.pubs[p.from], id, e)
	return true
}

// alias remembers the topic that an alias stands for, or puts it in.
func (s *session) alias(p *packet, e *decode.Exchange) {
	n, err := strconv.ParseUint(property1(e.Request.Header, "topic_alias"), 10, 16)
	if err != nil {
		return
	}
	known := &s.aliases[p.from]
	if e.Target != "" {
		if _, had := known.Take(uint16(n)); !had && known.Len() >= max(1, s.conn.Limits.Statements) {
			known.TakeOldest()
		}
		known.Put(uint16(n), e.Target)
		return
	}
	topic, ok := known.Get(uint16(n))
	if !ok {
		e.Unknown = append(e.Unknown, fmt.Sprintf("the topic of alias %d was not seen, or forgotten", n))
	}
	e.Target = topic
}

// acknowledge is PUBACK, PUBREC, PUBCOMP, which the receiver of a PUBLISH sends,
// or PUBREL, which its sender does.
func (s *session) acknowledge(p *packet, r *decode.Reader) bool {
	id := r.Uint16()
	var code byte
	var header []decode.Field
	status := typeNames[p.typ]
	if s.version >= 5 {
		if r.Len() > 0 {
			code = r.Uint8()
		}
		if r.Len() > 0 {
			header = properties(s.conn, r)
		}
		status = reason(code, s.version, p.typ)
	}
	if r.Short() {
		return false
	}
	sender := p.from.Other()
	if p.typ == pubrel {
		sender = p.from
	}
	e, ok := s.pubs[sender].Get(id)
	if p.typ == pubrel {
		if !ok {
			// The PUBLISH was sent on an earlier connection, or not seen.
			e = s.exchange(p)
			e.Kind, e.Stream = decode.KindRequest, uint64(id)
			e.Request.Header = header
			e.Unknown = append(e.Unknown, "its PUBLISH was not seen on this connection")
			put(s, &s.pubs[sender], id, e)
			return true
		}
		e.Request.Bytes += p.bytes
		e.Request.Header = append(e.Request.Header, header...)
		e.Ended = p.end
		return true
	}
	if !ok {
		e = s.exchange(p)
		e.Stream, e.Status, e.Code, e.Failed = uint64(id), status, int(code), code >= 0x80
		e.Request.Header = header
		s.alone(p, e, "its PUBLISH was not seen")
		return true
	}
	e.Response.Header = append(e.Response.Header, header...)
	e.Code, e.Failed = int(code), code >= 0x80
	s.answered(e, p, status)
	if p.typ == pubrec && code < 0x80 {
		return true // PUBREL and PUBCOMP follow
	}
	s.pubs[sender].Take(id)
	s.conn.Emit(e)
	return true
}
