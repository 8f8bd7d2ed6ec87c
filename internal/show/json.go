package show

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON writes v as indented JSON, without HTML's escapes, and an end of line.
func JSON(w io.Writer, v any) error {
	enc := JSONLines(w)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// JSONLines returns an encoder that writes each value as one line, without HTML's
// escapes. What could act on a terminal is escaped: DEL, the control characters C1, and
// characters that are not graphic, such as those that change the direction of writing.
func JSONLines(w io.Writer) *json.Encoder {
	enc := json.NewEncoder(&jsonEscaper{w: w})
	enc.SetEscapeHTML(false)
	return enc
}

// jsonEscaper escapes what encoding/json does not. Each Write has whole characters, of
// which the ones that are not ASCII stand in strings.
type jsonEscaper struct {
	w   io.Writer
	buf []byte
}

// Write implements [io.Writer].
func (e *jsonEscaper) Write(b []byte) (int, error) {
	if isASCII(b) && bytes.IndexByte(b, 0x7f) < 0 {
		return e.w.Write(b)
	}
	for i, c := range b {
		if c >= 0x7f {
			return e.escape(b, i)
		}
	}
	return e.w.Write(b)
}

// isASCII reports whether all bytes are below 0x80.
func isASCII(b []byte) bool {
	for ; len(b) >= 8; b = b[8:] {
		if binary.NativeEndian.Uint64(b)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// escape writes b, of which the first i bytes need no escape.
func (e *jsonEscaper) escape(b []byte, i int) (int, error) {
	out := append(e.buf[:0], b[:i]...)
	for i < len(b) {
		if b[i] < 0x7f {
			out = append(out, b[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if unicode.IsGraphic(r) {
			out = append(out, b[i:i+n]...)
		} else {
			out = appendJSONEscape(out, r)
		}
		i += n
	}
	if e.buf = out; cap(out) > 64<<10 {
		e.buf = nil
	}
	if _, err := e.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// appendJSONEscape appends a character as \uXXXX, or as two of them.
func appendJSONEscape(b []byte, r rune) []byte {
	if r >= 0x10000 {
		high, low := utf16.EncodeRune(r)
		return appendJSONEscape(appendJSONEscape(b, high), low)
	}
	return append(b, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
}

const hexDigits = "0123456789abcdef"

// AppendJSON appends s as [JSONLines] writes a string: what is not UTF-8 becomes U+FFFD,
// and what is not graphic is escaped.
func AppendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' && c != 0x7f {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + n
		case !unicode.IsGraphic(r):
			b = appendJSONEscape(append(b, s[start:i]...), r)
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}
