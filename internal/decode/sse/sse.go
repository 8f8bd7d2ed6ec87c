// Package sse decodes server-sent events, the bodies of responses of the type
// text/event-stream: WHATWG HTML section 9.2
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
//
// It is not a protocol of connections: decoders of HTTP give it the body of such
// a response as it comes. Each event is a message of the protocol "sse". The
// request itself is announced when the head of its response is there
// ([decode.Exchange.Begun]), and emitted whole when the response ends.
package sse

import (
	"bytes"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// Name is the protocol of the exchanges.
const Name = "sse"

// MediaType is the type of a body that a [Stream] decodes.
const MediaType = "text/event-stream"

// Is reports whether a Content-Type field is that of server-sent events.
func Is(contentType string) bool {
	// Most are not, and it is asked for each response.
	return len(contentType) >= len(MediaType) && content.MediaType(contentType) == MediaType
}

// maxField is how many bytes of an event's name, of its id and of retry are kept.
const maxField = 1024

// Stream decodes the events of one response.
type Stream struct {
	c       *decode.Conn
	request *decode.Exchange
	coding  *content.Stream
	unknown string

	first bool // nothing was read but, perhaps, a part of a byte order mark
	bom   int
	cr    bool // the last line ended with CR: LF after it ends no other line
	line  line

	event, id, retry field
	data             *decode.Body
	lines            int // of data
	begun            time.Time
	last             time.Time
	wire             int64 // bytes of the event so far
	lost             bool  // a part of the event was not captured
}

// line is what is known of the line that is being read.
type line struct {
	name  []byte
	in    part
	lossy bool // its begin was not captured
}

type part uint8

const (
	inName part = iota
	inSpace
	inValue
)

type field struct {
	set   bool
	value []byte
}

// New returns a stream for the response of a request, of which the events take
// host, target and stream number. codings is the response's Content-Encoding.
func New(c *decode.Conn, request *decode.Exchange, codings string) *Stream {
	s := &Stream{c: c, request: request, first: true}
	if s.coding = content.NewStream(codings, c.Limits.Message); s.coding == nil {
		s.unknown = "its events are " + codings + "-compressed"
	}
	return s
}

// Unknown returns why events could not be read, or "".
func (s *Stream) Unknown() string { return s.unknown }

// Data takes the next bytes of the body, and when they came.
func (s *Stream) Data(at time.Time, b []byte) {
	if s.coding == nil {
		return
	}
	out, err := s.coding.Write(b)
	s.read(at, out)
	if err != nil {
		s.coding, s.unknown = nil, "its events could not be decompressed: "+err.Error()
	}
}

// Gap reports that bytes of the body are missing. The event that was being sent
// is emitted as incomplete; what comes is read from the next line on.
func (s *Stream) Gap() {
	if s.coding != nil && s.coding.Coded() {
		s.coding, s.unknown = nil, "its events could not be decompressed: a part of them was not captured"
	}
	s.lost = true
	if s.pending() {
		s.emit(true)
	}
	s.line, s.cr, s.first, s.lost = line{lossy: true}, false, false, true
}

// Close reports the end of the body. An event that no empty line ended is
// emitted as incomplete: the browser never gets it.
func (s *Stream) Close() {
	if s.coding != nil {
		s.read(s.last, s.coding.Close())
	}
	if s.pending() {
		s.emit(true)
	}
	s.coding = nil
}

func (s *Stream) pending() bool { return s.lines > 0 || s.line.in != inName && s.named("data") }

func (s *Stream) named(name string) bool { return string(s.line.name) == name }

// read takes bytes without content coding.
func (s *Stream) read(at time.Time, b []byte) {
	for len(b) > 0 {
		if s.first {
			if b[0] == "\xef\xbb\xbf"[s.bom] {
				b = b[1:]
				if s.bom++; s.bom == 3 {
					s.first = false
				}
				continue
			}
			s.first = false
			s.text([]byte("\xef\xbb\xbf"[:s.bom])) // it was none
		}
		if s.cr {
			s.cr = false
			if b[0] == '\n' {
				b = b[1:]
				continue
			}
		}
		if s.wire == 0 {
			s.begun = at
		}
		s.last = at
		end := bytes.IndexAny(b, "\r\n")
		if end < 0 {
			s.wire += int64(len(b))
			s.text(b)
			return
		}
		s.wire += int64(end + 1)
		s.text(b[:end])
		s.cr = b[end] == '\r'
		b = b[end+1:]
		s.endLine()
	}
}

// text takes bytes of a line.
func (s *Stream) text(b []byte) {
	l := &s.line
	if l.in == inName {
		n := bytes.IndexByte(b, ':')
		name := b
		if n >= 0 {
			name = b[:n]
		}
		// No field has a longer name than "event", and a byte more shows that it
		// is another one.
		l.name = append(l.name, name[:min(len(name), max(0, 6-len(l.name)))]...)
		if n < 0 {
			return
		}
		l.in, b = inSpace, b[n+1:]
		s.beginValue()
	}
	if l.in == inSpace && len(b) > 0 {
		l.in = inValue
		b = bytes.TrimPrefix(b, []byte{' '})
	}
	if len(b) == 0 || l.lossy {
		return
	}
	switch f := s.field(); {
	case f != nil:
		f.value = append(f.value, b[:min(len(b), maxField-len(f.value))]...)
	case s.named("data"):
		s.data.Write(b)
	}
}

func (s *Stream) field() *field {
	switch string(s.line.name) {
	case "event":
		return &s.event
	case "id":
		return &s.id
	case "retry":
		return &s.retry
	}
	return nil
}

// beginValue begins the value of the field that the line has.
func (s *Stream) beginValue() {
	switch f := s.field(); {
	case s.line.lossy:
	case f != nil:
		f.set, f.value = true, f.value[:0]
	case s.named("data"):
		if s.data == nil {
			s.data = decode.NewBody(s.c.Limits.Body)
		}
		if s.lines++; s.lines > 1 {
			s.data.Write([]byte{'\n'})
		}
	}
}

// endLine ends a line; an empty one ends an event.
func (s *Stream) endLine() {
	empty := s.line.in == inName && len(s.line.name) == 0 && !s.line.lossy
	if !empty {
		if s.line.in == inName {
			s.beginValue() // a field without a colon has an empty value
		}
		s.line = line{name: s.line.name[:0]}
		return
	}
	if s.lines > 0 {
		s.emit(false)
		return
	}
	s.reset()
}

func (s *Stream) reset() {
	s.line = line{name: s.line.name[:0]}
	s.event, s.id, s.retry = field{value: s.event.value[:0]}, field{value: s.id.value[:0]}, field{value: s.retry.value[:0]}
	s.data, s.lines, s.wire, s.lost = nil, 0, 0, false
}

// emit hands the event over.
func (s *Stream) emit(incomplete bool) {
	r := s.request
	e := &decode.Exchange{
		Protocol: Name, Kind: decode.KindMessage, From: decode.Server,
		Started: s.begun, Ended: s.last,
		Method: "message", Target: r.Target, Host: r.Host, Stream: r.Stream,
	}
	if len(s.event.value) > 0 {
		e.Method = string(s.event.value)
	}
	e.Group = e.Method + " " + content.Template(r.Target)
	e.Add("path", r.Target)
	if s.id.set {
		e.Add("id", string(s.id.value))
	}
	if s.retry.set {
		e.Add("retry", string(s.retry.value))
	}
	if s.lost {
		e.Unknown = append(e.Unknown, "a part of the event was not captured")
	}
	m := &e.Request
	if s.data != nil {
		s.data.Fill(m)
		content.Mask(s.c, m, "")
	}
	m.Bytes, m.Incomplete = s.wire, incomplete
	s.c.Emit(e)
	s.reset()
}
