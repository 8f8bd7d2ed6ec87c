package decode

import (
	"strconv"
	"unicode/utf8"
)

// Readable returns bytes as a line of text of at most about limit bytes: what is
// not printable is written as in Go's strings (\n, \x00), and what is left out
// as its length ("… 512 bytes").
func Readable(b []byte, limit int) string {
	return string(AppendReadable(nil, b, limit, int64(len(b))))
}

// AppendReadable appends what [Readable] returns. The text has total bytes, of
// which b are the first.
func AppendReadable(dst, b []byte, limit int, total int64) []byte {
	start := len(dst)
	for len(b) > 0 && len(dst)-start < limit {
		plain := 0
		for most := min(len(b), limit-(len(dst)-start)); plain < most && ' ' <= b[plain] && b[plain] < 0x7f; {
			plain++
		}
		if plain > 0 {
			dst = append(dst, b[:plain]...)
			b = b[plain:]
			total -= int64(plain)
			continue
		}
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n <= 1:
			dst = append(dst, '\\', 'x', hexDigits[b[0]>>4], hexDigits[b[0]&15])
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case !strconv.IsPrint(r):
			q := strconv.AppendQuoteRune(nil, r)
			dst = append(dst, q[1:len(q)-1]...)
		default:
			dst = append(dst, b[:n]...)
		}
		b = b[n:]
		total -= int64(n)
	}
	if total > 0 {
		dst = append(dst, "… "...)
		dst = strconv.AppendInt(dst, total, 10)
		dst = append(dst, " bytes"...)
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendJSON appends bytes of a text as the inside of a JSON string. Bytes that
// are no UTF-8 are written as \u00xx. Where more of the text follows, the begin of
// a character at the end is returned as rest, to be put before it; last reports
// that nothing does.
func AppendJSON(dst, b []byte, last bool) (text, rest []byte) {
	if !last {
		n := len(b) - partial(b)
		b, rest = b[:n], append(rest, b[n:]...)
	}
	for start := 0; ; {
		i := start
		for i < len(b) && b[i] < utf8.RuneSelf && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' && b[i] != 0x7f {
			i++
		}
		dst = append(dst, b[start:i]...)
		if i == len(b) {
			return dst, rest
		}
		r, n := utf8.DecodeRune(b[i:])
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case n == 1:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[b[i]>>4], hexDigits[b[i]&15])
		default:
			dst = append(dst, b[i:i+n]...)
		}
		start = i + n
	}
}

// partial returns how many of the last bytes begin a character that has more.
func partial(b []byte) int {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; c >= utf8.RuneSelf && utf8.RuneStart(c) {
			if utf8.FullRune(b[len(b)-i:]) {
				return 0
			}
			return i
		}
	}
	return 0
}

// KeyTemplate returns a key, a subject or a topic with what differs from one
// object to the next put as {id}: numbers, UUIDs, and long hexadecimal words.
func KeyTemplate(key string) string {
	var out []byte
	for i := 0; i < len(key); {
		if !isAlnum(key[i]) {
			out = append(out, key[i])
			i++
			continue
		}
		if isUUID(key[i:]) {
			out = append(out, "{id}"...)
			i += 36
			continue
		}
		end, hex, digits := i, true, false
		for ; end < len(key) && isAlnum(key[end]); end++ {
			c := key[end]
			hex = hex && isHex(c)
			digits = digits || isDigit(c)
		}
		if hex && digits && end-i >= 16 {
			out = append(out, "{id}"...)
		} else {
			out = appendNumbers(out, key[i:end])
		}
		i = end
	}
	return string(out)
}

// appendNumbers appends a word with its numbers put as {id}.
func appendNumbers(dst []byte, word string) []byte {
	for i := 0; i < len(word); i++ {
		if !isDigit(word[i]) {
			dst = append(dst, word[i])
			continue
		}
		if i == 0 || !isDigit(word[i-1]) {
			dst = append(dst, "{id}"...)
		}
	}
	return dst
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isHex(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func isAlnum(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

// isUUID reports whether a text begins with a UUID that is a word of its own.
func isUUID(s string) bool {
	if len(s) < 36 || len(s) > 36 && isAlnum(s[36]) {
		return false
	}
	for i := range 36 {
		if dash := i == 8 || i == 13 || i == 18 || i == 23; dash != (s[i] == '-') || !dash && !isHex(s[i]) {
			return false
		}
	}
	return true
}
