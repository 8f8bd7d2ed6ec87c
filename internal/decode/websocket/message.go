package websocket

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// message is a message of which a part was seen.
type message struct {
	opcode         byte
	compressed     bool
	started, ended time.Time
	body           *decode.Body
	limit          int
	frames         int
	wire           int64
	parts          *content.LongPiece // decompresses what is too long to be held; nil: it is not
	hole           bool               // a part of the body was not captured
	incomplete     bool
	unknown        []string
}

// note adds what could not be had, or is not as it should be.
func (m *message) note(what string) {
	if what != "" && len(m.unknown) < 4 && !slices.Contains(m.unknown, what) {
		m.unknown = append(m.unknown, what)
	}
}

// wants reports whether more of the body is kept.
func (m *message) wants() bool {
	return !m.hole && (m.compressed || len(m.body.Bytes()) < m.limit)
}

// write has the next bytes of a message's body.
func (p *side) write(m *message, b []byte) {
	if m.compressed && !m.hole {
		if held := m.body.Bytes(); m.parts == nil && len(held)+len(b) > m.limit && p.deflate.lost == "" {
			m.parts = p.deflate.parts(p.d.c.Limits)
			m.parts.Write(held)
		}
		if m.parts != nil {
			m.parts.Write(b)
		}
	}
	m.body.Write(b)
}

func (m *message) skip(n int64) {
	if n > 0 {
		m.body.Skip(n)
		m.hole = true
	}
}

// current returns the message that the frame which is read belongs to.
func (p *side) current() *message {
	if p.frame.alone() {
		return p.control
	}
	return p.message
}

// begin returns the message of the frame whose header is at the begin of the
// buffer.
func (p *side) begin() *message {
	m := p.current()
	if m == nil {
		m = &message{opcode: p.frame.opcode, started: p.buf.At(), limit: p.d.c.Limits.Body}
		// The extension uses RSV1 of a message's first frame (RFC 7692 section 6).
		m.compressed = p.frame.rsv&4 != 0 && !p.frame.alone() && (p.d.ext.deflate || p.d.blind)
		if m.compressed {
			m.limit = p.d.c.Limits.Message
		} else if m.opcode == opClose {
			m.limit = max(m.limit, 125) // the code is always kept
		}
		m.body = decode.NewBody(m.limit)
		if p.frame.alone() {
			p.control = m
		} else {
			p.message = m
		}
	}
	m.frames++
	return m
}

// endFrame ends a frame, and with it perhaps a message.
func (p *side) endFrame() {
	p.state = inHeader
	m := p.current()
	switch {
	case p.frame.alone():
		p.control = nil
	case !p.frame.fin:
		return
	default:
		p.message = nil
	}
	p.emit(m)
}

// methods are the names of opcodes that mean something.
var methods = [...]string{opContinuation: "continuation", opText: "text", opBinary: "binary", opClose: "close", opPing: "ping", opPong: "pong"}

func methodOf(opcode byte) string {
	if int(opcode) < len(methods) && methods[opcode] != "" {
		return methods[opcode]
	}
	return "opcode " + strconv.Itoa(int(opcode))
}

// emit hands a message over.
func (p *side) emit(m *message) {
	p.tellLost()
	d := p.d
	e := &decode.Exchange{
		Protocol: Name, Version: "13", Kind: decode.KindMessage, From: p.of,
		Started: m.started, Ended: m.ended,
		Method: methodOf(m.opcode), Host: d.host, Target: d.target,
	}
	e.Group = e.Method + " " + d.group
	e.Add("path", d.target)
	if d.subprotocol != "" {
		e.Add("subprotocol", d.subprotocol)
	}
	if m.frames > 1 {
		e.Add("frames", strconv.Itoa(m.frames))
	}
	r := &e.Request
	r.Bytes, r.Incomplete = m.wire, m.incomplete
	m.body.Fill(r)
	e.Unknown = append(e.Unknown, m.unknown...)
	if m.hole {
		e.Unknown = append(e.Unknown, "a part of it was not captured")
	}
	problem := ""
	if m.compressed {
		r.Encoding = "deflate"
		if problem = p.deflate.undo(r, m, d.c.Limits); problem != "" {
			e.Unknown = append(e.Unknown, problem)
		}
		if limit := d.c.Limits.Body; len(r.Body) > limit { // it was held to be decompressed
			r.Body, r.Truncated = r.Body[:limit], true
		}
	}
	if m.opcode == opText && !m.hole && problem == "" && !isUTF8(r) {
		e.Unknown = append(e.Unknown, "it is a text that is not UTF-8")
	}
	if m.opcode == opClose {
		p.closed = true
		if !m.incomplete {
			closed(e)
		}
		if limit := d.c.Limits.Body; len(r.Body) > limit {
			r.Body, r.Truncated = r.Body[:limit], true
		}
	} else {
		content.Mask(d.c, r, "")
	}
	if d.blind {
		e.Unknown = append(e.Unknown, "its handshake was before the recording began")
	}
	d.c.Emit(e)
}

// closed puts the code and the reason of a close frame into its exchange (RFC
// 6455 section 7.4).
func closed(e *decode.Exchange) {
	b := e.Request.Body
	if len(b) < 2 {
		if e.Request.BodyBytes == 0 {
			e.Status = "1005 no status"
			e.Code = 1005
		} else if len(b) == 1 {
			e.Failed = true
			e.Unknown = append(e.Unknown, "its code has one byte in the place of two")
		}
		return
	}
	e.Code = int(b[0])<<8 | int(b[1])
	e.Status = strconv.Itoa(e.Code)
	if name := codeName(e.Code); name != "" {
		e.Status += " " + name
	}
	e.Request.Body = b[2:]
	if len(b) > 2 {
		e.Status += ": " + strings.ToValidUTF8(string(b[2:min(len(b), 125)]), "\uFFFD")
	}
	if !utf8.Valid(b[2:]) {
		e.Unknown = append(e.Unknown, "its reason is not UTF-8")
	}
	if !mayBeSent(e.Code) {
		e.Unknown = append(e.Unknown, "its code must not be sent")
	}
	switch e.Code {
	case 1000, 1001:
	default:
		e.Failed = e.Code < 3000 || e.Code > 4999
	}
}

// mayBeSent reports whether a close frame may have a code (RFC 6455 section 7.4).
func mayBeSent(code int) bool {
	return code >= 1000 && code <= 1003 || code >= 1007 && code <= 1014 || code >= 3000 && code <= 4999
}

// isUTF8 reports whether a text is UTF-8, as far as it is kept.
func isUTF8(m *decode.Message) bool {
	b := m.Body
	if m.Truncated || m.Incomplete {
		for n := 1; n < utf8.UTFMax && n <= len(b); n++ { // the last character may be cut off
			if last := b[len(b)-n:]; utf8.RuneStart(last[0]) {
				if !utf8.FullRune(last) {
					b = b[:len(b)-n]
				}
				break
			}
		}
	}
	return utf8.Valid(b)
}

func codeName(code int) string {
	switch code {
	case 1000:
		return "normal closure"
	case 1001:
		return "going away"
	case 1002:
		return "protocol error"
	case 1003:
		return "unsupported data"
	case 1007:
		return "invalid payload"
	case 1008:
		return "policy violation"
	case 1009:
		return "message too big"
	case 1010:
		return "extension required"
	case 1011:
		return "internal error"
	case 1012:
		return "service restart"
	case 1013:
		return "try again later"
	case 1014:
		return "bad gateway"
	}
	return ""
}
