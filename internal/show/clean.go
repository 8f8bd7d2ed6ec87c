package show

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text that another program chose (the name of a process, a path, a line of a log)
// must not act on a terminal: no control characters and escape sequences
// (ECMA-48), nothing that changes the direction of writing (Unicode, UAX #9), and
// no bytes that are not UTF-8. There are four ways to write it:
//   - [AppendEscaped] keeps every byte legible, as an escape of Go;
//   - [Legible] does so too, for a line of output: a tab becomes blanks, and all kinds of
//     blanks become blanks;
//   - [Clean] takes one column for what may not be shown, a question mark;
//   - [Plain] removes escape sequences and control characters.
// [Sequences] is Plain for pieces of a line, and can keep colours.

// AppendEscaped appends s with what may not be shown as an escape of Go: \x1b,
// \u202e, \xff.
func AppendEscaped(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return appendEscapedRunes(append(b, s[:i]...), s[i:])
		}
	}
	return append(b, s...)
}

func appendEscapedRunes(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			b = append(b, '\\', 'x', hexDigits[s[i]>>4], hexDigits[s[i]&15])
		case unicode.IsPrint(r):
			b = append(b, s[i:i+n]...)
		default:
			q := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, q[1:len(q)-1]...)
		}
		i += n
	}
	return b
}

// Legible returns a line of output in which what may not be shown is an escape of Go:
// \x1b, \u202e, \xff. Tabs become four blanks, other blanks one, and the end of the line is
// cut off. A character keeps a few combining marks.
func Legible(s string) string {
	s = strings.TrimRight(s, "\r\n")
	if isPrintableASCII(s) {
		return s
	}
	b := make([]byte, 0, len(s)+16)
	marks := maxMarks // a mark at the beginning has no character to stand on
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		part := s[i : i+n]
		i += n
		isMark := unicode.In(r, unicode.Mn, unicode.Me) && !unicode.Is(unicode.Variation_Selector, r)
		switch {
		case r == '\t':
			b = append(b, "    "...)
		case unicode.Is(unicode.Zs, r):
			b = append(b, ' ')
		case unicode.Is(unicode.Variation_Selector, r):
			continue
		case isMark && marks >= maxMarks:
			q := strconv.AppendQuoteRuneToASCII(nil, r)
			b = append(b, q[1:len(q)-1]...)
		default:
			b = AppendEscaped(b, part)
		}
		if isMark {
			marks++
		} else {
			marks = 0
		}
	}
	return string(b)
}

// maxMarks is how many combining marks a character keeps: more of them only
// paint over other lines.
const maxMarks = 3

// Clean returns s as one line whose width terminals agree on. Each character that
// may not be shown is a question mark, so that two names that differ look
// different; with ascii, so is each one that is not ASCII. Blanks of all kinds
// become blanks, and variation selectors, which choose between two widths, are
// left out.
func Clean(s string, ascii bool) string {
	if isPrintableASCII(s) {
		return s
	}
	var b strings.Builder
	marks := maxMarks // a mark at the beginning has no character to stand on
	for _, r := range s {
		switch {
		case r >= 0x20 && r <= 0x7e:
			b.WriteRune(r)
			marks = 0
		case ascii || r == unicode.ReplacementChar || !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r):
			b.WriteByte('?')
			marks = 0
		case unicode.Is(unicode.Zs, r):
			b.WriteByte(' ')
			marks = 0
		case unicode.Is(unicode.Variation_Selector, r):
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks < maxMarks {
				b.WriteRune(r)
				marks++
			} else if b.Len() == 0 {
				b.WriteByte('?')
			}
		default:
			b.WriteRune(r)
			marks = 0
		}
	}
	return b.String()
}

func isPrintableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// CleanLine is [Clean] for a line of output: escape sequences are removed, tabs
// become four blanks, and the end of the line is cut off.
func CleanLine(s string, ascii bool) string {
	s = strings.TrimRight(s, "\r\n")
	if strings.ContainsAny(s, "\x1b\u009b\u009d\u0090\u0098\u009e\u009f") {
		s = stripped(s)
	}
	return Clean(strings.ReplaceAll(s, "\t", "    "), ascii)
}

// Short returns at most so many bytes of a text, none of a character that is cut, and an
// ellipsis where there is more.
func Short(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

// OneLine returns s with every run of blanks and ends of lines as one blank.
func OneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
