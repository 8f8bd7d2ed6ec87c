// Package websocket decodes the WebSocket protocol: RFC 6455
// (https://www.rfc-editor.org/rfc/rfc6455), with the compression of RFC 7692
// (https://www.rfc-editor.org/rfc/rfc7692).
//
// Each message is an exchange of its own, a [decode.KindMessage]: its method is
// text, binary, ping, pong or close, its target and host are those of the
// handshake, and its body is what was carried, without mask and compression. The
// handshake is an exchange of HTTP, whose decoder hands the connection over with
// the [Fact]s of it.
//
// A connection that was joined midstream is recognised by its frames. What path
// it has and which extensions were negotiated is unknown then.
package websocket

import (
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// Name is the protocol's name.
const Name = "websocket"

// The facts ([decode.Conn.Facts]) of a handshake that the decoder uses.
const (
	FactHost        = "host"
	FactTarget      = "target"
	FactExtensions  = "extensions"  // the response's Sec-WebSocket-Extensions
	FactSubprotocol = "subprotocol" // the response's Sec-WebSocket-Protocol
)

// Protocol returns the protocol. Connections are recognised by their bytes only
// where they were joined midstream.
func Protocol() *decode.Protocol {
	return &decode.Protocol{Name: Name, Detect: detect, New: func(c *decode.Conn) decode.Decoder { return newDecoder(c) }}
}

type decoder struct {
	c            *decode.Conn
	host, target string
	group        string // the target's template
	subprotocol  string
	ext          extensions
	blind        bool // the handshake was not seen
	sides        [2]side
}

// state is what a side's next bytes are.
type state uint8

const (
	inHeader    state = iota // of a frame
	inPayload                // of a frame
	inSearch                 // for the begin of a frame
	notReadable              // framing was broken, or nothing may follow
)

// side is one direction of the connection.
type side struct {
	d     *decoder
	of    decode.Side
	buf   decode.Buffer
	state state
	ended bool
	// closed reports that a close frame was sent, after which nothing may come.
	closed bool

	frame   frame
	left    int64    // bytes of the frame's payload that are to come
	at      int64    // position in the payload, for the mask
	message *message // text or binary that has begun
	control *message // ping, pong or close that has begun

	deflate deflate
	search  search
	guessed bool              // frames were searched for
	why     decode.LossReason // of what is not readable or searched
	skipped int64             // bytes that are not counted as lost yet
}

func newDecoder(c *decode.Conn) *decoder {
	d := &decoder{c: c, host: c.Fact(FactHost), target: c.Fact(FactTarget), subprotocol: c.Fact(FactSubprotocol)}
	d.group = content.Template(d.target)
	d.blind = len(c.Facts) == 0
	if !d.blind {
		d.ext = parseExtensions(c.Fact(FactExtensions))
	}
	for s := range d.sides {
		p := &d.sides[s]
		p.d, p.of = d, decode.Side(s)
		p.search.work = 1 << 16
		p.deflate.init(&d.ext, p.of, d.blind)
		if d.blind {
			p.startSearch(decode.LostState)
		}
	}
	return d
}

// Idle implements [decode.Idler].
func (d *decoder) Idle() {
	for s := range d.sides {
		d.sides[s].buf.Release()
	}
}

// Data implements [decode.Decoder].
func (d *decoder) Data(s decode.Side, at time.Time, b []byte) {
	p := &d.sides[s]
	if p.state == notReadable {
		p.lose(int64(len(b)))
		return
	}
	p.buf.Write(at, b)
	for p.step() {
	}
}

// step reads what comes next, and reports whether more can be read.
func (p *side) step() bool {
	switch p.state {
	case inHeader:
		return p.header()
	case inPayload:
		return p.payload()
	case inSearch:
		return p.find()
	default:
		p.lose(int64(p.buf.Len()))
		p.buf.Reset()
		return false
	}
}

// header reads the header of a frame.
func (p *side) header() bool {
	b := p.buf.Bytes()
	f, ok := parseHeader(b)
	if !ok {
		return false
	}
	if problem := p.check(&f); problem != "" {
		if !p.guessed {
			p.frame = f
			p.begin().wire += int64(f.header)
			p.buf.Advance(int64(f.header))
		}
		p.broken(problem)
		return true
	}
	if m := p.message; m != nil && (f.opcode == opText || f.opcode == opBinary) {
		m.incomplete = true
		m.note("another message begins before its end")
		p.message = nil
		p.emit(m)
	}
	p.frame, p.left, p.at, p.state = f, f.length, 0, inPayload
	m := p.begin()
	m.wire += int64(f.header)
	m.note(p.oddity(&f))
	m.ended = p.buf.AtByte(f.header - 1)
	p.buf.Advance(int64(f.header))
	if p.left == 0 {
		p.endFrame()
	}
	return true
}

// check returns what is wrong with a frame, after which nothing can be read: its
// length is none, or means nothing. Of a frame that was searched for, more is
// asked.
func (p *side) check(f *frame) string {
	switch {
	case p.guessed && f.reserved():
		return "a frame has a reserved opcode"
	case f.length < 0:
		return "a frame's length is not valid"
	case !p.guessed:
		return ""
	case f.masked != (p.of == decode.Client), f.opcode >= opClose && (!f.fin || f.length > 125), f.rsv&3 != 0:
		return "what was taken for a frame is none"
	}
	return ""
}

// oddity returns what a frame has that the protocol does not allow and that can
// be read in spite of it.
func (p *side) oddity(f *frame) string {
	rsv := f.rsv
	if (p.d.ext.deflate || p.d.blind) && (f.opcode == opText || f.opcode == opBinary) {
		rsv &^= 4
	}
	switch {
	case f.reserved():
		return p.d.ext.whyOpcode()
	case f.control() && !f.fin:
		return "a control frame must not be fragmented"
	case f.control() && f.length > 125:
		return "a control frame must not be longer than 125 bytes"
	case f.masked && p.of == decode.Server:
		return "a server must not mask its frames"
	case !f.masked && p.of == decode.Client:
		return "a client must mask its frames"
	case f.opcode == opContinuation && p.message.opcode == opContinuation:
		if p.guessed || p.d.c.Midstream {
			return "its begin was not seen"
		}
		return "it continues no message"
	case rsv != 0:
		return p.d.ext.whyReserved()
	case p.closed:
		return "it was sent after the close"
	case !f.shortest():
		return "its length is written longer than it must be"
	}
	return ""
}

// broken ends the reading of a side: where a frame is not valid, its length is
// not known.
func (p *side) broken(problem string) {
	p.abandon(problem)
	if p.guessed {
		p.startSearch(decode.LostMalformed)
		p.buf.Advance(1)
		p.lose(1)
		return
	}
	p.tellLost()
	p.why, p.state = decode.LostMalformed, notReadable
}

// payload reads a part of a frame's payload.
func (p *side) payload() bool {
	b := p.buf.Bytes()
	if len(b) == 0 {
		return false
	}
	b = b[:min(int64(len(b)), p.left)]
	m := p.current()
	m.ended = p.buf.AtByte(len(b) - 1)
	m.wire += int64(len(b))
	if p.frame.masked && m.wants() {
		p.frame.unmask(b, p.at)
	}
	p.write(m, b)
	p.at += int64(len(b))
	p.left -= int64(len(b))
	p.buf.Advance(int64(len(b)))
	if p.left == 0 {
		p.endFrame()
	}
	return true
}

// Gap implements [decode.Decoder].
func (d *decoder) Gap(s decode.Side, at time.Time, n int64) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	d.c.Lost(decode.Loss{Protocol: Name, Side: s, Reason: decode.LostGap, Bytes: n})
	if p.state == inPayload && n >= 0 && n <= p.left {
		// Within one frame: its message has a hole, and the next one is found.
		m := p.current()
		m.skip(n)
		p.at += n
		p.left -= n
		if p.left == 0 {
			p.endFrame()
		}
		return
	}
	p.abandon("a part of it was not captured")
	if p.state == notReadable {
		return
	}
	p.startSearch(decode.LostGap)
	p.lose(int64(p.buf.Len()))
	p.buf.Reset()
}

// abandon emits what has begun as incomplete, and counts what is held.
func (p *side) abandon(why string) {
	for _, m := range []*message{p.message, p.control} {
		if m != nil {
			m.incomplete = true
			m.note(why)
			p.emit(m)
		}
	}
	p.message, p.control = nil, nil
}

// End implements [decode.Decoder].
func (d *decoder) End(s decode.Side, at time.Time, how decode.End) {
	p := &d.sides[s]
	if p.ended {
		return
	}
	if p.state == inSearch {
		p.search.last = true
		for p.step() {
		}
	}
	p.ended = true
	if p.state == inHeader && p.buf.Len() > 0 {
		p.why = decode.LostMalformed // a frame's header is cut off
		if how != decode.Closed {
			p.why = decode.LostGap
		}
	}
	p.abandon("the connection ended before it")
	p.lose(int64(p.buf.Len()))
	p.tellLost()
	p.buf.Reset()
	p.state = notReadable
}

// lose counts bytes that are not decoded; they are told at the next frame that
// is, or at the end.
func (p *side) lose(n int64) {
	p.skipped += n
	if p.ended {
		p.tellLost()
	}
}

func (p *side) tellLost() {
	if p.skipped > 0 {
		p.d.c.Lost(decode.Loss{Protocol: Name, Side: p.of, Reason: p.why, Bytes: p.skipped})
		p.skipped = 0
	}
}
