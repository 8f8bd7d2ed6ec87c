package message

import (
	"strings"
	"unicode/utf8"
)

// maxText bounds what is read, in bytes. The end of a longer text is kept: in a
// log, the error that matters stands there.
const maxText = 64 << 10

// clean removes what hides the text of a message: control sequences of a
// terminal, typographic quotes, the escapes of a string of JSON.
func clean(text string) string {
	if len(text) > maxText {
		text = text[len(text)-maxText:]
		if i := strings.IndexByte(text[:maxText/2], '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	text = plain(text)
	var out strings.Builder
	for line := range strings.Lines(text) {
		if isFrame(line) {
			continue
		}
		if isQuoted(line) {
			line = unescape.Replace(line)
		}
		out.WriteString(line)
	}
	return out.String()
}

// isQuoted reports whether a line holds text with the escapes of JSON or of a
// quoted string, so that \n in it is the end of a line.
func isQuoted(line string) bool {
	return strings.Contains(line, `\"`) || strings.Contains(line, `\n`) && strings.ContainsAny(line, `"'`)
}

var unescape = strings.NewReplacer(`\\n`, "\n", `\n`, "\n", `\r`, "", `\t`, "\t", `\\\"`, `"`, `\"`, `"`, `\u001b`, "", `\/`, "/", `\\`, `\`)

// plain removes control sequences (ECMA-48) and control characters but for the
// ends of lines and tabs.
func plain(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f || r >= 0x80 }) {
		return s
	}
	s = strings.ToValidUTF8(s, "?")
	var out strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == 0x1b:
			i += sequence(s[i:])
			continue
		case c == '\r':
			if i+1 >= len(s) || s[i+1] != '\n' {
				out.WriteByte('\n')
			}
		case c == '\n', c == '\t', c >= ' ' && c < 0x7f:
			out.WriteByte(c)
		case c < utf8.RuneSelf:
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			out.WriteString(typographic(r, s[i:i+n]))
			i += n
			continue
		}
		i++
	}
	return out.String()
}

// typographic returns a character as programs without typography write it.
func typographic(r rune, same string) string {
	switch r {
	case '’', '‘', '‚', '‛', '′', '´':
		return "'"
	case '“', '”', '„', '‟', '«', '»', '″', '「', '」', '『', '』':
		return `"`
	case '\u00a0', '\u202f', '\u2009', '\u3000':
		return " "
	case '–', '—', '−', '‐', '‑':
		return "-"
	case '：':
		return ":"
	case '（':
		return "("
	case '）':
		return ")"
	case '→', '➜':
		return " -> "
	case '\u200b', '\u2060', '\ufeff', '\u200e', '\u200f':
		return ""
	}
	return same
}

// sequence returns the length of the escape sequence at the start of s.
func sequence(s string) int {
	if len(s) < 2 {
		return len(s)
	}
	switch s[1] {
	case '[': // CSI: up to a byte from 0x40 to 0x7e
		for i := 2; i < len(s); i++ {
			if s[i] >= 0x40 && s[i] <= 0x7e {
				return i + 1
			}
			if s[i] < ' ' {
				return i
			}
		}
		return len(s)
	case ']', 'P', '_', '^', 'X': // OSC, DCS and their kin: up to BEL or ST
		for i := 2; i < len(s) && i < 4096; i++ {
			if s[i] == 0x07 {
				return i + 1
			}
			if s[i] == 0x1b {
				if i+1 < len(s) && s[i+1] == '\\' {
					return i + 2
				}
				return i
			}
		}
		return 2
	}
	return 2
}

// isFrame reports whether a line is one of a stack trace: it says where in a
// program something happened, and nothing of a network.
func isFrame(line string) bool {
	s := strings.TrimSpace(line)
	indented := len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
	switch {
	case strings.HasPrefix(s, "at ") && indented:
		return !strings.Contains(s, "://") || strings.HasSuffix(s, ")")
	case strings.HasPrefix(s, "File \"") && strings.Contains(s, ", line "):
		return true
	case strings.HasPrefix(s, "... ") && strings.HasSuffix(s, " more"):
		return true
	case strings.HasPrefix(s, "from /") && indented, strings.HasPrefix(s, "#") && strings.Contains(s, "(") && strings.Contains(s, ".php"):
		return true
	case strings.HasPrefix(s, "/") && strings.Contains(s, ".go:") && strings.Contains(s, " +0x"):
		return true
	}
	return false
}
