package http2

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
	"lodge/internal/decode/sse"
)

// stream is one stream that is open.
type stream struct {
	id     uint32
	e      decode.Exchange
	halves [2]half
	upper  Stream         // decodes the bodies
	events *sse.Stream    // decodes the response
	tunnel decode.Decoder // decodes what a CONNECT carries
	// emitted reports that the exchange is not to be emitted: it has been.
	emitted bool
	kept    int
	// informational is how many responses of 1xx there were.
	informational int
	why           [2]string // where the header is that was not seen
}

// half is what one side sends.
type half struct {
	begun  bool // something of it was seen
	header bool // its header was
	ended  bool
	cut    bool // bytes of the body are missing, what follows them is not kept
	body   *decode.Body
	n      int64 // bytes that went to the layer above
	hidden bool  // not all of the header is known
}

// header is a header block with what is known of it.
type header struct {
	list
	bad            string // why it could not be decoded
	why            string // why its entries are not known
	end            bool
	started, ended time.Time
	wire           int64
}

func newStream(id uint32, why [2]string) *stream {
	st := &stream{id: id, why: why}
	st.e = decode.Exchange{Protocol: "http", Version: "2", Kind: decode.KindRequest, Stream: uint64(id)}
	return st
}

func (st *stream) message(s decode.Side) *decode.Message {
	if s == decode.Client {
		return &st.e.Request
	}
	return &st.e.Response
}

// saw notes when a frame was sent.
func (st *stream) saw(s decode.Side, started, ended time.Time) {
	h := &st.halves[s]
	if !h.begun {
		h.begun = true
		if s == decode.Client {
			st.e.Started = started
		} else {
			st.e.Answered = started
		}
	}
	st.e.Ended = latest(st.e.Ended, ended)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// request has the header of a request.
func (st *stream) request(c *decode.Conn, h *header) {
	half := &st.halves[decode.Client]
	half.header, half.hidden = true, h.hidden() || h.bad != ""
	st.e.Method, _ = h.get(":method")
	st.e.Target, _ = h.get(":path")
	st.e.Target = content.Target(c, st.e.Target)
	st.e.Host, _ = h.get(":authority")
	if host, ok := h.get("host"); st.e.Host == "" && ok {
		st.e.Host = host
	}
	if st.e.Method == "CONNECT" && st.e.Target == "" {
		st.e.Target = st.e.Host
	}
	if scheme, ok := h.get(":scheme"); ok && scheme != "http" {
		st.e.Add("scheme", scheme)
	}
	if protocol, ok := h.get(":protocol"); ok {
		st.e.Add("protocol", protocol)
	}
	st.e.Request.Header = st.fields(c, requestHeader, h, ":method", ":scheme", ":path")
	if half.hidden || h.dropped > 0 {
		return
	}
	if st.e.Method == "" {
		st.note(requestHeader + ": it has no :method")
	}
	if st.e.Target == "" && st.e.Method == "CONNECT" {
		st.note(requestHeader + ": it has no :authority")
	} else if st.e.Target == "" {
		st.note(requestHeader + ": it has no :path")
	}
}

// response has a header block that the server sends.
func (st *stream) response(c *decode.Conn, h *header) {
	half := &st.halves[decode.Server]
	status, ok := h.get(":status")
	switch {
	case half.header:
		st.trailer(c, decode.Server, h)
		return
	case !ok && !h.hidden() && h.bad == "":
		// The header was not seen, this is what follows the body.
		st.trailer(c, decode.Server, h)
		return
	case len(status) == 3 && status[0] == '1':
		if st.informational++; st.informational > maxNotes {
			return
		}
		st.e.Add("informational", status)
		for _, f := range st.fields(c, interimHeader, h) {
			st.e.Add("informational "+f.Name, f.Value)
		}
		return
	}
	half.header, half.hidden = true, h.hidden() || h.bad != ""
	st.e.Answered = h.started
	st.e.Status = status
	if code, err := strconv.Atoi(status); err == nil && code >= 100 && code < 1000 {
		st.e.Code, st.e.Failed = code, code >= 500
	}
	st.e.Response.Header = st.fields(c, responseHeader, h, ":status")
}

// begun announces an exchange whose response is a stream of events, which are
// exchanges of their own.
func (st *stream) begun(c *decode.Conn) {
	st.events = sse.New(c, &st.e, content.Field(st.e.Response.Header, "content-encoding"))
	e := st.e
	e.Begun, e.Group = true, st.group()
	c.Emit(&e)
}

// trailer has the fields that follow a body.
func (st *stream) trailer(c *decode.Conn, s decode.Side, h *header) {
	m := st.message(s)
	m.Trailer = append(m.Trailer, st.fields(c, word(s)+" trailer", h)...)
}

// UnknownName stands for the name of a header field that is not known, and for
// its value.
const UnknownName = "(unknown)"

// fields returns the fields of a header block without those of the protocol
// itself, of which all that are named have to be there, and says in the
// exchange what of them is not known.
func (st *stream) fields(c *decode.Conn, what string, h *header, must ...string) []decode.Field {
	out := make([]decode.Field, 0, len(h.fields))
	var entries []string
	odd := 0 // pseudo-header fields
	for i := range h.fields {
		f := &h.fields[i]
		switch {
		case f.noName:
			entries = append(entries, number(f.index))
			value := UnknownName
			if !f.noValue {
				value = c.Secret(f.value) // it may be one
			}
			out = append(out, decode.Field{Name: UnknownName, Value: value})
		case strings.HasPrefix(f.name, ":"):
			if odd >= maxNotes {
				continue
			}
			if why := oddPseudo(what, h, i); why != "" {
				st.note(what + ": " + why)
				odd++
			}
		default:
			out = append(out, decode.Field{Name: f.name, Value: content.Header(c, f.name, f.value)})
		}
	}
	if h.bad != "" {
		st.note(what + ": " + h.bad)
	}
	if h.dropped > 0 {
		st.note(what + ": " + number(uint64(h.dropped)) + " fields are more than what is held")
	}
	if len(entries) == 0 {
		return out
	}
	n := len(entries)
	if n > 16 {
		entries = append(entries[:16], "...")
	}
	text := what + ": 1 field is not known (HPACK index " + entries[0] + "), its table entry " + h.why
	if n > 1 {
		text = what + ": " + number(uint64(n)) + " fields are not known (HPACK index " + strings.Join(entries, ", ") + "), their table entry " + h.why
	}
	var missing []string
	for _, name := range must {
		if _, ok := h.get(name); !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 && h.bad == "" {
		text += "; among them " + strings.Join(missing, ", ")
	}
	st.note(text)
	return out
}

// maxNotes bounds what is said of one stream: a side may send any number of
// header blocks.
const maxNotes = 16

// note says what is not known.
func (st *stream) note(text string) {
	if text != "" && len(st.e.Unknown) < maxNotes && !slices.Contains(st.e.Unknown, text) {
		st.e.Unknown = append(st.e.Unknown, text)
	}
}

// group returns the method and the path without what differs from one request to
// the next.
func (st *stream) group() string {
	path := content.Template(st.e.Target)
	if st.e.Method == "" || path == "" {
		return path
	}
	return st.e.Method + " " + path
}

// connected reports whether a header block makes the stream a tunnel.
func (st *stream) connected(h *header) bool {
	return st.tunnel == nil && !h.end && st.halves[decode.Server].header && st.e.Method == "CONNECT" &&
		st.e.Code >= 200 && st.e.Code < 300
}

// finish completes the exchange.
func (st *stream) finish(c *decode.Conn) {
	e := &st.e
	if st.events != nil {
		st.events.Close()
		if why := st.events.Unknown(); why != "" {
			e.Unknown = append(e.Unknown, "response: "+why)
		}
	}
	for s := range st.halves {
		h, m := &st.halves[s], st.message(decode.Side(s))
		m.Incomplete = !h.ended
		if h.cut && st.upper == nil {
			e.Unknown = append(e.Unknown, word(decode.Side(s))+": a part of its body was not captured")
		}
		if h.body != nil {
			h.body.Fill(m)
			m.Truncated = m.Truncated || h.cut || !h.header
		} else {
			m.BodyBytes = h.n
		}
	}
	client, server := &st.halves[decode.Client], &st.halves[decode.Server]
	if !client.header {
		e.Unknown = append(e.Unknown, "request: its header "+st.why[decode.Client])
	}
	if server.begun && !server.header && e.Status == "" {
		e.Unknown = append(e.Unknown, "response: its header "+st.why[decode.Server])
	}
	if st.upper != nil {
		st.upper.Finish()
		return
	}
	e.Group = st.group()
	for s := range st.halves {
		m := st.message(decode.Side(s))
		st.note(st.oddLength(decode.Side(s), m))
		if st.halves[s].body == nil {
			continue
		}
		for _, why := range content.Fill(c, m) {
			e.Unknown = append(e.Unknown, word(decode.Side(s))+": "+why)
		}
	}
}

// word names what a side sends.
func word(s decode.Side) string {
	if s == decode.Client {
		return "request"
	}
	return "response"
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// printable returns bytes as text.
func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '�' {
			return '.'
		}
		return r
	}, string(b))
}
