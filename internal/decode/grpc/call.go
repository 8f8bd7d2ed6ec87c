package grpc

import (
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/http2"
	"lodge/internal/decode/protobuf"
)

const headLen = 5

// Flags of a message.
const (
	flagCompressed = 0x01
	flagEnd        = 0x02 // Connect: the message is the end of the stream
	flagTrailer    = 0x80 // gRPC-Web: the message is the trailer
)

// call is one call.
type call struct {
	c      *decode.Conn
	e      *decode.Exchange
	d      Descriptors
	room   *http2.Room
	format format

	service, method string
	types           protobuf.Method
	known           bool

	sides [2]direction
	// streaming reports that there may be more than one message in a direction.
	streaming bool
	held      []*decode.Exchange
	ended     bool // the client has sent all
	trailer   []decode.Field
	failure   *failure // Connect's
	get       *get     // Connect's request with GET, until its message was read
	// compression is that of the request's message, where it is in the target.
	compression string
}

// direction is what one side sends.
type direction struct {
	head    [headLen]byte
	have    int // bytes of head that are there
	left    int64
	size    int64
	buf     []byte
	started time.Time
	ended   time.Time // of what has come of a message without a frame
	count   int
	// adrift reports that it is not known where a message begins.
	adrift bool
	lost   int64 // bytes that were not read
	// damaged reports that bytes of the message that is being read are missing.
	damaged bool
	unknown string // why messages could not be shown
	begun   bool   // data have come
	text    bool   // they are in base64
	base64  base64Reader
	payload int64 // bytes of all messages
	aside   int64 // bytes of trailers that are messages
}

// find looks for the method that a path names.
func (x *call) find(path string) {
	service, method, ok := splitPath(path)
	if !ok {
		return
	}
	x.service, x.method = service, method
	if x.d != nil {
		x.types, x.known = x.d.FindMethod(service, method)
		x.streaming = x.known && (x.types.ClientStreaming || x.types.ServerStreaming)
	}
}

// Data implements [http2.Stream].
func (x *call) Data(s decode.Side, at time.Time, b []byte) {
	p := &x.sides[s]
	if !p.begun {
		p.begun, p.text = true, x.isText(s)
	}
	if p.adrift {
		p.lost += int64(len(b))
		return
	}
	if p.text {
		n := len(b)
		var ok bool
		if b, ok = p.base64.read(b); !ok {
			x.drift(p, "its messages are not in base64, as its header says", n)
			return
		}
	}
	if x.format.bare {
		if p.size == 0 {
			p.started = at
		}
		p.ended, p.size = at, p.size+int64(len(b))
		x.hold(p, b)
		return
	}
	for len(b) > 0 {
		if p.have < headLen {
			if p.have == 0 {
				p.started = at
			}
			n := copy(p.head[p.have:], b)
			p.have += n
			b = b[n:]
			if p.have < headLen {
				return
			}
			p.size = int64(p.head[1])<<24 | int64(p.head[2])<<16 | int64(p.head[3])<<8 | int64(p.head[4])
			p.left = p.size
			if p.head[0]&^x.flags() != 0 {
				x.drift(p, "its messages are not framed as gRPC's", headLen+len(b))
				return
			}
		}
		n := min(p.left, int64(len(b)))
		x.hold(p, b[:n])
		p.left -= n
		b = b[n:]
		if p.left == 0 {
			x.message(s, at)
		}
	}
}

// drift is for a side of which it is not known where a message begins. n bytes were not
// read.
func (x *call) drift(p *direction, why string, n int) {
	x.reset(p)
	p.adrift, p.unknown = true, why
	p.lost += int64(n)
}

// flags are the flags that a message may have.
func (x *call) flags() byte {
	if x.format.connect {
		return flagCompressed | flagEnd
	}
	if x.format.web {
		return flagCompressed | flagTrailer
	}
	return flagCompressed
}

// isText reports whether a side sends base64: the answer need not be as the request.
func (x *call) isText(s decode.Side) bool {
	f, ok := parseType(field(x.body(s).Header, "content-type"))
	if !ok {
		return x.format.text
	}
	return f.text
}

// hold keeps bytes of a message.
func (x *call) hold(p *direction, b []byte) {
	if p.damaged {
		return
	}
	b = b[:min(len(b), max(0, x.c.Limits.Body-len(p.buf)))]
	if x.room.Take(len(b)) {
		p.buf = append(p.buf, b...)
	}
}

// Gap implements [http2.Stream].
func (x *call) Gap(s decode.Side, _ time.Time, n int64) {
	p := &x.sides[s]
	if p.adrift {
		return
	}
	if x.format.bare {
		p.damaged = true
		p.size += max(n, 0)
		return
	}
	if p.have == headLen && !p.text && n >= 0 && n <= p.left {
		// It is all in one message.
		p.damaged = true
		if p.left -= n; p.left == 0 {
			x.message(s, p.started)
		}
		return
	}
	x.drift(p, "a part of what was sent was not seen", 0)
}

// End implements [http2.Stream].
func (x *call) End(s decode.Side) {
	if s == decode.Client {
		x.ended = true
		x.get.give(x)
	}
	if p := &x.sides[s]; x.format.bare && p.size > 0 {
		x.message(s, p.ended)
	}
}

// message has a message that is complete.
func (x *call) message(s decode.Side, at time.Time) {
	p := &x.sides[s]
	if x.format.web && p.head[0]&flagTrailer != 0 {
		p.aside += headLen + p.size
		b := p.buf
		if x.compressed(s, p) {
			b, _, _ = decompress(x.encoding(s), b, x.c.Limits.Message) // what cannot be read is no trailer
		}
		x.trailer = parseTrailer(b)
		for _, f := range x.trailer {
			x.addTrailer(f.Name, f.Value)
		}
		x.reset(p)
		return
	}
	if x.format.connect && p.head[0]&flagEnd != 0 {
		p.aside += headLen + p.size
		x.endOfStream(s, p)
		x.reset(p)
		return
	}
	e := x.text(s, at)
	if !x.streaming {
		if x.held = append(x.held, e); x.waits(s) {
			if !x.room.Take(len(e.Request.Body)) {
				e.Request.Body, e.Request.Truncated = nil, true
			}
			return
		}
		x.flush()
		return
	}
	x.c.Emit(e)
}

// waits reports whether it is not known yet that the call streams: there is one
// message in each direction, and the server has answered after all was sent.
func (x *call) waits(s decode.Side) bool {
	return x.sides[s].count == 1 && (x.known || s == decode.Client || x.ended)
}

// flush emits what was held: the call streams.
func (x *call) flush() {
	x.streaming = true
	for i, e := range x.held {
		if i < len(x.held)-1 { // the last one did not wait
			x.room.Give(len(e.Request.Body))
		}
		x.c.Emit(e)
	}
	x.held = nil
}

// text makes an exchange of the message that a side has sent.
func (x *call) text(s decode.Side, at time.Time) *decode.Exchange {
	p := &x.sides[s]
	p.count++
	e := &decode.Exchange{Protocol: Name, Kind: decode.KindMessage, From: s, Started: p.started, Ended: at,
		Method: "message", Target: x.e.Target, Host: x.e.Host, Stream: x.e.Stream}
	e.Add("number", strconv.Itoa(p.count))
	x.fill(e, s, p)
	x.reset(p)
	return e
}

func (x *call) reset(p *direction) {
	x.room.Give(len(p.buf))
	p.have, p.left, p.size, p.damaged = 0, 0, 0, false
	p.buf = nil
}

// fill puts a message's text into an exchange.
func (x *call) fill(e *decode.Exchange, s decode.Side, p *direction) {
	m := &e.Request
	m.Bytes, m.BodyBytes = headLen+p.size, p.size
	if x.format.bare {
		m.Bytes = p.size
	}
	p.payload += p.size
	m.Incomplete = p.damaged
	b, cut := p.buf, int64(len(p.buf)) < p.size
	if x.compressed(s, p) {
		m.Encoding = x.encoding(s)
		out, more, err := decompress(m.Encoding, b, x.c.Limits.Body)
		switch {
		case err != nil && len(out) == 0:
			m.Body, m.Truncated = b[:min(len(b), x.c.Limits.Body)], len(b) > x.c.Limits.Body || cut
			e.Unknown = append(e.Unknown, "message: it is compressed with "+quoteName(m.Encoding)+" and could not be decompressed")
			return
		case err != nil:
			cut = true
		}
		b, cut = out, cut || more
	}
	m.Truncated = cut
	codec := x.codec(s)
	if x.format.bare && s == decode.Server && x.e.Code != 200 {
		codec = "json"
		x.failure = parseFailure(b)
	}
	switch codec {
	case "proto":
	case "json":
		m.Body = b
		content.Mask(x.c, m, "application/json")
		return
	default:
		m.Body = b
		return
	}
	var t *protobuf.Message
	text := protobuf.Text{Limit: x.c.Limits.Body}
	if !x.c.Secrets {
		text.Secret = secretName
	}
	if x.d != nil {
		text.Types = x.d
		if x.known {
			name := x.types.Input
			if s == decode.Server {
				name = x.types.Output
			}
			t = x.d.FindMessage(name)
		}
	}
	body, whole := text.Append(nil, b, t)
	switch {
	case whole:
	case cut:
	case len(body) >= x.c.Limits.Body:
		m.Truncated = true
	default:
		body = b
		e.Unknown = append(e.Unknown, "message: it is not one of Protocol Buffers")
	}
	m.Body = body
	if s == decode.Server && !cut && strings.HasPrefix(x.service, "grpc.reflection.v1") {
		x.learn(b)
	}
}

// codec is what a side's messages are written in: the answer need not be as the request.
func (x *call) codec(s decode.Side) string {
	if f, ok := parseType(field(x.body(s).Header, "content-type")); ok && s == decode.Server {
		return f.codec
	}
	return x.format.codec
}

// compressed reports whether the message that a side has sent is.
func (x *call) compressed(s decode.Side, p *direction) bool {
	if x.format.bare {
		return len(content.Codings(x.encoding(s))) > 0
	}
	return p.head[0]&flagCompressed != 0
}

// encoding is the compression of a side's messages.
func (x *call) encoding(s decode.Side) string {
	name := "grpc-encoding"
	switch {
	case x.format.get && s == decode.Client:
		return x.compression
	case x.format.bare:
		name = "content-encoding"
	case x.format.connect:
		name = "connect-content-encoding"
	}
	return field(x.body(s).Header, name)
}

func quoteName(s string) string {
	if s == "" {
		return "what the header said"
	}
	return s
}

// learn adds the descriptors in a ServerReflectionResponse.
func (x *call) learn(b []byte) {
	if x.d == nil {
		return
	}
	for _, file := range protobuf.Nested(b, 4, 1) {
		_ = x.d.Add(file) // without it there are numbers in the place of names
	}
}

// Finish implements [http2.Stream].
func (x *call) Finish() {
	e := x.e
	x.get.give(x)
	e.Protocol, e.Version, e.Method, e.Group = Name, "", "call", e.Target
	if x.format.web {
		e.Add("framing", "grpc-web")
	}
	if x.format.connect || x.format.bare {
		e.Add("framing", "connect")
	}
	if x.format.codec != "proto" {
		e.Add("codec", x.format.codec)
	}
	if x.format.get {
		e.Add("http method", "GET")
	}
	if timeout := field(e.Request.Header, "grpc-timeout"); timeout != "" {
		e.Add("timeout", timeout)
	}
	for s := range x.sides {
		if p := &x.sides[s]; p.have == headLen || x.format.bare && p.size > 0 {
			// The message was not sent to its end.
			p.damaged = true
			x.message(decode.Side(s), p.started)
		} else {
			x.reset(p)
		}
		switch p := &x.sides[s]; {
		case p.text:
			x.body(decode.Side(s)).BodyBytes = p.payload
		case !x.format.bare:
			x.body(decode.Side(s)).BodyBytes -= headLen*int64(p.count) + p.aside
		case x.format.get && decode.Side(s) == decode.Client:
			x.body(decode.Client).BodyBytes = p.payload
		}
	}
	for _, m := range x.held {
		x.room.Give(len(m.Request.Body))
		to := x.body(m.From)
		to.Body, to.Encoding, to.Truncated = m.Request.Body, m.Request.Encoding, m.Request.Truncated
		e.Unknown = append(e.Unknown, m.Unknown...)
	}
	if x.streaming {
		e.Add("sent", messages(x.sides[decode.Client].count))
		e.Add("received", messages(x.sides[decode.Server].count))
	}
	x.status()
	for s := range x.sides {
		p := &x.sides[s]
		if p.unknown != "" || p.lost > 0 {
			why := p.unknown
			if why == "" {
				why = "its beginning was sent before the recording began"
			}
			e.Unknown = append(e.Unknown, "messages of the "+decode.Side(s).String()+": "+why)
			x.c.Lost(decode.Loss{Protocol: Name, Side: decode.Side(s), Reason: decode.LostState, Bytes: p.lost})
		}
	}
}

// body is the exchange's message of a side.
func (x *call) body(s decode.Side) *decode.Message {
	if s == decode.Client {
		return &x.e.Request
	}
	return &x.e.Response
}

func messages(n int) string {
	if n == 1 {
		return "1 message"
	}
	return strconv.Itoa(n) + " messages"
}
