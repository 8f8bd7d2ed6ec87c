package tui

import (
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// marksKept is how many combining marks a character keeps: more are only there
// to paint over other lines.
const marksKept = 3

// clean makes text that somebody else chose (the name of a process, a line of
// a log) harmless on a terminal: one line, no control characters, nothing
// whose width terminals disagree on. What is taken out shows as a question
// mark, so that two names that differ look different.
func clean(s string, ascii bool) string {
	plain := true
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b strings.Builder
	marks := marksKept // none has a character to stand on at the beginning
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
			// Chooses between two widths; without it there is one.
		case unicode.In(r, unicode.Mn, unicode.Me):
			if marks < marksKept {
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

// cleanLine is clean for a line of a log: escape sequences are taken out, and
// tabs become blanks.
func cleanLine(s string, ascii bool) string {
	s = strings.TrimRight(s, "\r\n")
	if strings.ContainsAny(s, "\x1b\u009b") {
		s = ansi.Strip(s)
	}
	if strings.Contains(s, "\t") {
		s = strings.ReplaceAll(s, "\t", "    ")
	}
	return clean(s, ascii)
}

func width(s string) int { return ansi.StringWidth(s) }

// fitText makes s exactly w cells wide: cut with a sign that it was, or padded.
func fitText(s string, w int, right, ascii bool) string {
	if w <= 0 {
		return ""
	}
	n := width(s)
	if n > w {
		s = cut(s, w, ascii)
		n = width(s) // a wide character may leave one cell over
	}
	pad := strings.Repeat(" ", max(w-n, 0))
	if right {
		return pad + s
	}
	return s + pad
}

// cut shortens s to at most w cells.
func cut(s string, w int, ascii bool) string {
	if w <= 0 {
		return ""
	}
	if width(s) <= w {
		return s
	}
	tail := "…"
	if ascii {
		tail = "~"
	}
	return ansi.Truncate(s, w, tail)
}

// cutFront shortens s to at most w cells from its front.
func cutFront(s string, w int, ascii bool) string {
	n := width(s)
	if n <= w {
		return s
	}
	head := "…"
	if ascii {
		head = "~"
	}
	if w < 1 {
		return ""
	}
	for over := n - w + 1; ; over++ { // a wide character is cut whole
		if out := ansi.TruncateLeft(s, over, head); width(out) <= w || over > n {
			return out
		}
	}
}

// wrap breaks a clean line into pieces of at most w cells, at blanks where it
// can; what goes on is indented as the line was.
func wrap(s string, w int) []string {
	if w <= 0 || width(s) <= w {
		return []string{s}
	}
	indent := s[:len(s)-len(strings.TrimLeft(s, " "))]
	if len(indent) > w/2 {
		indent = ""
	}
	room := w - len(indent)
	var pieces []string
	for p := range strings.SplitSeq(ansi.Wrap(strings.TrimLeft(s, " "), room, ""), "\n") {
		// Wrap leaves a hyphen too much at the end of some lines.
		for q := range strings.SplitSeq(ansi.Hardwrap(p, room, true), "\n") {
			pieces = append(pieces, indent+q)
		}
	}
	return pieces
}

// bytesText returns a rate or a size in at most four characters: 0, 812, 1.2k,
// 15k, 120k, 1.2M; powers of 1000.
func bytesText(n float64) string {
	if n < 0.5 {
		return "0"
	}
	units := "kMGTP"
	if n < 999.5 {
		return strconv.FormatFloat(n, 'f', 0, 64)
	}
	for i := range len(units) {
		n /= 1000
		switch {
		case n < 9.95:
			return strconv.FormatFloat(n, 'f', 1, 64) + units[i:i+1]
		case n < 999.5:
			return strconv.FormatFloat(n, 'f', 0, 64) + units[i:i+1]
		}
	}
	return "lots"
}

// rateText is bytesText, or - for what is not known.
func rateText(n float64, known bool) string {
	if !known {
		return "-"
	}
	return bytesText(n)
}

// microText returns a time in microseconds: 35us, 1.2ms, 150ms, 2.1s.
func microText(us uint32) string {
	switch n := float64(us); {
	case us == 0:
		return "-"
	case us < 1000:
		return strconv.Itoa(int(us)) + "us"
	case n < 9950:
		return strconv.FormatFloat(n/1e3, 'f', 1, 64) + "ms"
	case n < 999500:
		return strconv.FormatFloat(n/1e3, 'f', 0, 64) + "ms"
	default:
		return strconv.FormatFloat(n/1e6, 'f', 1, 64) + "s"
	}
}

// ageText returns how long ago something was: 5s, 12m, 3h, 9d.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// count returns "1 project", "2 projects".
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
