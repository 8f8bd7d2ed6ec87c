package secret

import (
	"bytes"
	"strings"
)

// Text masks what looks like a secret with its name in a text of any kind: JSON, pairs
// such as password=x and password: "x", passwords in addresses. In lines such as
// "password: x" of YAML and of headers the rest of the line is masked.
func Text(b []byte) []byte {
	if !May(b) {
		return b
	}
	return maskText(b, maxDepth, true)
}

// Inside is [Text] for a text that is a value of another one, such as a string of a
// statement: its lines have no names.
func Inside(s string) string {
	if !May(s) {
		return s
	}
	return string(maskText([]byte(s), maxDepth-1, false))
}

// maskText is [Text]. lines reports that the rest of a line belongs to the name at its
// begin.
func maskText(b []byte, depth int, lines bool) []byte {
	if bytes.IndexByte(b, '"') >= 0 {
		b = maskJSON(b, depth)
	}
	t := texts{rewriter: rewriter{in: b}, lines: lines}
	for i := 0; i < len(b); {
		n := bytes.IndexAny(b[i:], "=:")
		if n < 0 {
			break
		}
		i = t.pair(i + n)
	}
	return t.bytes()
}

type texts struct {
	rewriter
	lines bool
}

// pair masks what follows the sign at i, "=" or ":", where its name says so, and returns
// where to go on.
func (t *texts) pair(i int) int {
	b := t.in
	if bytes.HasPrefix(b[i:], []byte("://")) {
		return t.address(i)
	}
	begin, end := nameBefore(b, i)
	if begin < t.done || begin == end {
		return i + 1
	}
	in := Field
	if begin > 0 && (b[begin-1] == '?' || b[begin-1] == '&') {
		in = Parameter
	}
	secret, plural := is(in, string(b[begin:end]))
	if !secret {
		return i + 1
	}
	value := i + 1
	if value < len(b) && (b[value] == '=' || b[value] == '>') { // ==, =>, :=
		value++
	}
	spaced := value
	for value < len(b) && (b[value] == ' ' || b[value] == '\t') {
		value++
	}
	switch {
	case value == len(b):
	case b[value] == '"' || b[value] == '\'' || b[value] == '`':
		end := quoteEnd(b, value)
		t.mask(value+1, end)
		return min(end+1, len(b))
	case b[value] == '[':
		return t.list(value)
	case t.lines && atLine(b, begin) && (b[i] == ':' || value > spaced):
		end := value
		for end < len(b) && b[end] != '\n' && b[end] != '\r' {
			end++
		}
		if bytes.IndexByte([]byte("{[|>&*!"), b[value]) < 0 {
			t.mask(value, end)
		}
		return end
	case b[i] == '=', isDigit(b[value]) && !plural && value > spaced:
		end := value
		for end < len(b) && bytes.IndexByte([]byte(" \t\r\n&;,'\"<>)}]\\"), b[end]) < 0 {
			end++
		}
		t.mask(value, end)
		return end
	}
	return i + 1
}

// list masks the strings of a list in brackets at i.
func (t *texts) list(i int) int {
	b := t.in
	for i++; i < len(b) && b[i] != ']' && b[i] != '\n'; i++ {
		if b[i] == '"' || b[i] == '\'' {
			end := quoteEnd(b, i)
			t.mask(i+1, end)
			i = min(end, len(b)-1)
		}
	}
	return i
}

// address masks the password in an address whose "://" is at i.
func (t *texts) address(i int) int {
	b := t.in[i+3:]
	if n := bytes.IndexAny(b, "/?# \t\r\n\"'<>\\"); n >= 0 {
		b = b[:n]
	}
	at, colon := bytes.LastIndexByte(b, '@'), bytes.IndexByte(b, ':')
	if colon >= 0 && colon < at {
		t.mask(i+3+colon+1, i+3+at)
		return i + 3 + at
	}
	return i + 3 + len(b) // a host and its port are no pair
}

// nameBefore returns where the name before the sign at i is, without quotes.
func nameBefore(b []byte, i int) (begin, end int) {
	end = i
	for end > 0 && b[end-1] == ' ' && i-end < 4 {
		end--
	}
	if end > 0 && (b[end-1] == '\'' || b[end-1] == '"' || b[end-1] == '`' || b[end-1] == '\\') {
		end--
	}
	begin = end
	for begin > 0 && end-begin < maxName && isName(b[begin-1]) {
		begin--
	}
	return begin, end
}

func isName(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || isDigit(c) || strings.IndexByte("_-.[]%$", c) >= 0
}

// atLine reports whether only blanks, quotes and a dash are before i in its line.
func atLine(b []byte, i int) bool {
	for i > 0 {
		switch i--; b[i] {
		case '\n', '\r':
			return true
		case ' ', '\t', '-', '"', '\'':
		default:
			return false
		}
	}
	return true
}

// quoteEnd returns where what is quoted by the byte at i ends.
func quoteEnd(b []byte, i int) int {
	q := b[i]
	for i++; i < len(b) && b[i] != q; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return min(i, len(b))
}

// Body masks a body of a media type, which is in lower case and may be "": then, and
// where it is plain text, its first byte says what it is. Only forms with parts are not
// known here.
func Body(mediaType string, b []byte) []byte {
	if !May(b) {
		return b
	}
	switch format(mediaType, b) {
	case formatForm:
		return []byte(Pairs(string(b)))
	case formatJSON:
		return maskJSON(b, maxDepth)
	case formatMarkup:
		return Markup(b)
	case formatText:
		return Text(b)
	}
	return b
}

type bodyFormat uint8

const (
	formatOther bodyFormat = iota
	formatForm
	formatJSON
	formatMarkup
	formatText
)

func format(mediaType string, b []byte) bodyFormat {
	sub := mediaType[strings.IndexByte(mediaType, '/')+1:]
	switch {
	case mediaType == "application/x-www-form-urlencoded":
		return formatForm
	case strings.HasSuffix(sub, "json"), strings.HasSuffix(sub, "json-seq"), sub == "ndjson", sub == "x-ndjson", sub == "jsonlines":
		return formatJSON
	case strings.HasSuffix(sub, "xml"), sub == "html":
		return formatMarkup
	case sub == "graphql", strings.HasSuffix(sub, "yaml"), sub == "toml", sub == "event-stream":
		return formatText
	case mediaType != "" && sub != "plain":
		return formatOther
	}
	switch i := skipSpace(b, 0); {
	case i == len(b):
		return formatOther
	case b[i] == '{', b[i] == '[':
		return formatJSON
	case b[i] == '<':
		return formatMarkup
	case isForm(b):
		return formatForm
	case !isText(b):
		return formatOther
	}
	return formatText
}

// isForm reports whether a text is a form in one line: a=1&b=2.
func isForm(b []byte) bool {
	eq := bytes.IndexByte(b, '=')
	return eq > 0 && !bytes.ContainsAny(b, " \t\r\n\"'<>{}") && !bytes.ContainsAny(b[:eq], "&;/:?")
}

// isText reports whether the begin of a body has no control characters of binary data. RS
// is between texts of JSON (RFC 7464), and between the packets of engine.io.
func isText(b []byte) bool {
	for _, c := range b[:min(len(b), 512)] {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != 0x1b && c != 0x1e {
			return false
		}
	}
	return true
}
