package postgresql

import (
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/decode/sqltext"
)

// failure handles an ErrorResponse.
func (s *server) failure(m message) {
	f := readFields(m.body)
	if !s.conn.Secrets {
		f.detail = sqltext.MaskError(f.detail)
	}
	if len(s.queue.entries) == 0 {
		if s.orphan != nil || s.unsure && f.severity == "ERROR" {
			x := s.orphaned(m)
			x.fail(f)
			return
		}
		s.unasked(m, f)
		return
	}
	e := s.queue.entries[0]
	if e.x == nil {
		return
	}
	if e.kind == 'Q' {
		s.queryFailed(e, m, f)
		return
	}
	e.x.got(m)
	e.x.fail(f)
	if s.copy == e.x {
		s.state.copy = nil
	}
	if endsReady(e.kind) {
		return
	}
	// The server ignores all that comes before the next Sync.
	failing := e.x
	for len(s.queue.entries) > 0 && s.queue.entries[0].kind != 'S' {
		e := s.queue.take()
		if e.kind == 'P' {
			s.restore(e)
		}
		if e.x != failing {
			for _, x := range append([]*exchange{e.x}, e.rest...) {
				x.skip()
			}
			for _, x := range e.rest {
				x.emit(s.state, true)
			}
		}
		s.release(e.x)
	}
	if len(s.queue.entries) == 0 {
		s.state.failed = true
	} else if sync := s.queue.entries[0]; sync.x != failing {
		s.release(sync.x)
		sync.x = nil
	}
}

// queryFailed finds which statement of a query an error is about: that of the
// position in the text, as none is executed where one cannot be read; else the
// one whose turn it is.
func (s *server) queryFailed(e *entry, m message, f errorFields) {
	x := s.current(e)
	if s.copy == x {
		s.state.copy = nil
	}
	if f.position > 0 && e.text != "" && !x.complete && x.Response.Bytes == 0 {
		at := byteOf(e.text, f.position-1)
		for i, later := range e.rest {
			if later.part.Start <= at && at <= later.part.End {
				all := append([]*exchange{x}, e.rest...)
				for _, x := range all[:i+1] {
					x.skip()
					x.emit(s.state, true)
				}
				later.open, x.open = x.open, 0
				e.x, e.rest = later, e.rest[i+1:]
				x = later
				break
			}
		}
	}
	x.got(m)
	x.fail(f)
	for _, x := range e.rest {
		x.skip()
	}
}

// byteOf returns where in a text a character is.
func byteOf(text string, n int) int {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[i:])
		i += size
	}
	return i
}

// unasked emits an error that answers no request, such as the one with which the
// server ends the connection.
func (s *server) unasked(m message, f errorFields) {
	e := &decode.Exchange{
		Protocol: Name, Version: s.version, Kind: decode.KindMessage, From: decode.Server, Method: "error",
		Started: m.at, Ended: m.end, Status: f.status(), Failed: true, Request: decode.Message{Bytes: m.size},
	}
	e.Details = f.details()
	s.conn.Emit(e)
}

// ready handles ReadyForQuery.
func (s *server) ready(m message) {
	s.gapped = false
	if s.orphan != nil {
		s.orphan.got(m)
		s.endOrphan()
		if s.queue.find("QSF") < 0 || s.unsure {
			return
		}
	}
	n := s.queue.find("QSF")
	if n < 0 {
		s.stray(m)
		return
	}
	for ; n > 0; n-- {
		s.release(s.queue.take().x)
	}
	e := s.queue.take()
	if e.x == nil {
		return
	}
	e.x.got(m)
	if len(m.body) > 0 {
		e.x.ready = m.body[0]
	}
	e.x.closed = true
	x, rest := e.x, e.rest
	if len(rest) > 0 && !rest[len(rest)-1].complete {
		for _, x := range append([]*exchange{x}, rest...) {
			if !x.complete {
				x.unknown(unknownPart)
			}
		}
	}
	s.release(x)
	for _, x := range rest {
		x.emit(s.state, true)
	}
}
