package http1

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/content"
)

// head is what the fields of a head say that the decoder itself uses, before
// secrets are masked.
type head struct {
	host           string
	contentLength  string
	hasLength      bool
	conflict       bool // lengths differ
	transferCoding string
	hasTransfer    bool
	contentCoding  string
	contentType    string
	upgrade        string
	connection     string
	expect         string
	websocketKey   string
	websocketAcc   string
	websocketExt   string
	websocketProto string
	http2Settings  string
	odd            string // what is not as it should be
}

// headEnd returns where a head ends: after the first empty line; or -1, and from
// where on to look when there is more.
func headEnd(b []byte, from int) (end, next int) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return -1, len(b)
		}
		i += from
		switch {
		case i+1 >= len(b):
			return -1, i
		case b[i+1] == '\n':
			return i + 2, 0
		case b[i+1] == '\r':
			if i+2 >= len(b) {
				return -1, i
			}
			if b[i+2] == '\n' {
				return i + 3, 0
			}
		}
		from = i + 1
	}
}

// cutLine cuts a text after its first line, which is returned without its end.
func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// fields reads the fields of a head or of a trailer. A line that begins with
// white space continues the one before it (obs-fold, RFC 9112 section 5.2).
func (h *head) fields(c *decode.Conn, s string) []decode.Field {
	var fs []decode.Field
	if n := strings.Count(s, "\n"); n > 1 {
		fs = make([]decode.Field, 0, n-1)
	}
	for s != "" {
		var line string
		line, s = cutLine(s)
		if line == "" {
			continue
		}
		if len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
			line, s = unfold(line, s)
			h.note("a header field has more than one line (obs-fold)")
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			h.note("a line of its header has no colon")
			continue
		}
		if trimmed := strings.Trim(name, " \t"); trimmed != name {
			h.note("white space surrounds the name of a header field")
			name = trimmed
		}
		if !isName(name) {
			h.note("the name of a header field is not one")
		}
		value = strings.Trim(value, " \t")
		h.learn(name, value)
		fs = append(fs, decode.Field{Name: name, Value: content.Header(c, name, value)})
	}
	return fs
}

// isName reports whether s is the name of a field: a token (RFC 9110 section 5.6.2).
func isName(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return s != ""
}

// oddLines returns what is wrong with the ends of the lines of a head, which one
// implementation takes for ends and another one does not (RFC 9112 section 2.2).
func oddLines(text string) string {
	text = strings.TrimSuffix(text, "\r") // the rest is not there
	cr, lf, both := strings.Count(text, "\r"), strings.Count(text, "\n"), strings.Count(text, "\r\n")
	switch {
	case cr > both:
		return "a CR without LF is in its header (request smuggling?)"
	case lf > both && both > 0:
		return "some lines of its header end with LF, others with CRLF (request smuggling?)"
	}
	return ""
}

// unfold returns a line together with those that continue it.
func unfold(line, rest string) (all, after string) {
	var b strings.Builder
	b.WriteString(line)
	for rest != "" && (rest[0] == ' ' || rest[0] == '\t') {
		line, rest = cutLine(rest)
		b.WriteByte(' ')
		b.WriteString(strings.Trim(line, " \t"))
	}
	return b.String(), rest
}

// note keeps the first thing that is odd.
func (h *head) note(what string) {
	if h.odd == "" {
		h.odd = what
	}
}

// learn takes a field that the decoder uses.
func (h *head) learn(name, value string) {
	is := func(s string) bool { return strings.EqualFold(name, s) }
	switch len(name) {
	case len("host"):
		if is("host") && h.host == "" {
			h.host = value
		}
	case len("expect"):
		if is("expect") {
			h.expect = value
		}
	case len("upgrade"):
		if is("upgrade") {
			join(&h.upgrade, value)
		}
	case len("connection"):
		if is("connection") {
			join(&h.connection, value)
		}
	case len("content-type"):
		if is("content-type") {
			h.contentType = value
		}
	case len("content-length"): // as long as http2-settings
		if is("content-length") {
			if h.hasLength && h.contentLength != value {
				h.conflict = true
			}
			h.contentLength, h.hasLength = value, true
		} else if is("http2-settings") {
			h.http2Settings = value
		}
	case len("content-encoding"):
		if is("content-encoding") {
			join(&h.contentCoding, value)
		}
	case len("transfer-encoding"): // as long as sec-websocket-key
		if is("transfer-encoding") {
			join(&h.transferCoding, value)
			h.hasTransfer = true
		} else if is("sec-websocket-key") {
			h.websocketKey = value
		}
	case len("sec-websocket-accept"):
		if is("sec-websocket-accept") {
			h.websocketAcc = value
		}
	case len("sec-websocket-protocol"):
		if is("sec-websocket-protocol") {
			join(&h.websocketProto, value)
		}
	case len("sec-websocket-extensions"):
		if is("sec-websocket-extensions") {
			join(&h.websocketExt, value)
		}
	}
}

func join(to *string, value string) {
	if *to != "" {
		value = *to + ", " + value
	}
	*to = value
}

// hasToken reports whether a list field has a token.
func hasToken(list, token string) bool {
	for one := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.TrimSpace(one), token) {
			return true
		}
	}
	return false
}
