package show

import (
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
	out, copied := e.buf[:0], 0
	for i := special(b); i < len(b); i += special(b[i:]) {
		r, n := utf8.DecodeRune(b[i:])
		if !graphic(r) {
			out = appendJSONEscape(append(out, b[copied:i]...), r)
			copied = i + n
		}
		i += n
	}
	if copied == 0 {
		return e.w.Write(b)
	}
	out = append(out, b[copied:]...)
	if e.buf = out; cap(out) > 64<<10 {
		e.buf = nil
	}
	if _, err := e.w.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// special returns the index of the first byte that is DEL or not ASCII, or the length.
func special(b []byte) int {
	const ones = 0x0101010101010101
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		// The highest bit of a byte is set where it is 0x80 or above, or one more is; a
		// carry comes only from a byte that is special itself.
		if v := binary.NativeEndian.Uint64(b[i:]); (v|(v+ones))&(ones<<7) != 0 {
			break
		}
	}
	for i < len(b) && b[i] < 0x7f {
		i++
	}
	return i
}

// graphic is [unicode.IsGraphic], which searches its tables, and knows the most frequent
// characters without them.
func graphic(r rune) bool {
	switch {
	case r > 0xad && r < 0x300, r >= 0x400 && r < 0x530, r >= 0x4e00 && r < 0xa000, r >= 0xac00 && r < 0xd7a4,
		r >= 0x2010 && r < 0x2028, r >= 0x3041 && r < 0x3097, r >= 0x3099 && r < 0x3100:
		return true
	}
	return unicode.IsGraphic(r)
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
		case !graphic(r):
			b = appendJSONEscape(append(b, s[start:i]...), r)
			start = i + n
		}
		i += n
	}
	return append(append(b, s[start:]...), '"')
}
