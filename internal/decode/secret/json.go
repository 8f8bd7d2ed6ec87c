package secret

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"lodge/internal/decode"
)

// rewriter makes a new text of another one, of which parts are replaced in their order.
type rewriter struct {
	in, out []byte
	done    int // in[:done] is in out
	changed bool
}

func (w *rewriter) replace(from, to int, with string) {
	w.out = append(append(w.out, w.in[w.done:from]...), with...)
	w.done, w.changed = to, true
}

func (w *rewriter) mask(from, to int) {
	if to > from {
		w.replace(from, to, decode.Masked)
	}
}

func (w *rewriter) bytes() []byte {
	if !w.changed {
		return w.in
	}
	return append(w.out, w.in[w.done:]...)
}

// JSON masks the values of secret members: strings and numbers, also all those in arrays
// and objects. It may be cut off, be one of several values, or have other text around
// it. Strings are looked into: they may have JSON, an address, or a statement of
// GraphQL.
func JSON(b []byte) []byte {
	if !May(b) {
		return b
	}
	return maskJSON(b, maxDepth)
}

func maskJSON(b []byte, depth int) []byte {
	w := rewriter{in: b}
	for i := 0; i < len(b); {
		q := bytes.IndexByte(b[i:], '"')
		if q < 0 {
			break
		}
		begin := i + q + 1
		end := stringEnd(b, begin)
		if i = end + 1; end >= len(b) {
			w.inner(begin, end, depth)
			break
		}
		colon := skipSpace(b, i)
		if colon >= len(b) || b[colon] != ':' {
			w.inner(begin, end, depth)
			continue
		}
		i = skipSpace(b, colon+1)
		if secret, plural := is(Field, member(b[begin:end])); secret {
			i = w.value(i, plural)
		}
	}
	return w.bytes()
}

// member returns the name of a member, without its escapes.
func member(b []byte) string {
	if len(b) > 4*maxName {
		b = b[len(b)-4*maxName:]
	}
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b)
	}
	return string(unescape(b))
}

// value masks the value at i, and returns where it ends. Numbers of a plural remain: they
// are counts.
func (w *rewriter) value(i int, plural bool) int {
	b := w.in
	for depth := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			end := stringEnd(b, i+1)
			after := skipSpace(b, min(end+1, len(b)))
			if depth == 0 || after >= len(b) || b[after] != ':' {
				w.mask(i+1, end)
			}
			i = min(end+1, len(b))
		case c == '{' || c == '[':
			depth++
			i++
		case c == '}' || c == ']':
			if depth--; depth <= 0 {
				return i + 1
			}
			i++
		case isDigit(c) || c == '-' && i+1 < len(b) && isDigit(b[i+1]):
			end := i + 1
			for end < len(b) && (isDigit(b[end]) || bytes.IndexByte([]byte("+-.eE"), b[end]) >= 0) {
				end++
			}
			if !plural {
				w.replace(i, end, `"`+decode.Masked+`"`)
			}
			i = end
		case depth == 0: // true, false, null, or no JSON
			return i
		default:
			i++
		}
		if depth == 0 {
			return i
		}
	}
	return i
}

// inner masks what is in a string of JSON.
func (w *rewriter) inner(begin, end, depth int) {
	s := w.in[begin:end]
	if depth == 0 || len(s) < 6 || !May(s) {
		return
	}
	text := s
	escaped := bytes.IndexByte(s, '\\') >= 0
	if escaped {
		text = unescape(s)
	}
	masked := maskText(text, depth-1, false)
	switch {
	case bytes.Equal(masked, text):
	case escaped:
		quoted, _ := decode.AppendJSON(nil, masked, true)
		w.replace(begin, end, string(quoted))
	default:
		w.replace(begin, end, string(masked))
	}
}

// stringEnd returns the index of the quote that ends a string, or len(b).
func stringEnd(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		if esc := bytes.IndexByte(b[i:i+n], '\\'); esc >= 0 {
			i += esc + 2
			continue
		}
		return i + n
	}
	return len(b)
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// unescape returns the inside of a string of JSON without its escapes (RFC 8259 section
// 7).
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); {
		if b[i] != '\\' || i+1 == len(b) {
			out = append(out, b[i])
			i++
			continue
		}
		c := b[i+1]
		i += 2
		switch c {
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, ok := hex4(b[i:])
			if !ok {
				out = append(out, `\u`...)
				continue
			}
			i += 4
			if low, ok := lowSurrogate(b[i:]); ok && utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, low)
				i += 6
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		out = append(out, c)
	}
	return out
}

func lowSurrogate(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	return hex4(b[2:])
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
