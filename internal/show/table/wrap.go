package table

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// Wrap breaks a line of output into pieces of at most w columns: at blanks where it
// can, else after hyphens, else anywhere. Continuation lines keep the indent.
func Wrap(s string, w int) []string {
	if w <= 0 || Width(s) <= w {
		return []string{s}
	}
	text := strings.TrimLeft(s, " ")
	indent := s[:len(s)-len(text)]
	if len(indent) > w/2 {
		indent = ""
	}
	room := w - len(indent)
	var pieces []string
	for text != "" {
		end := prefix(text, room)
		next := end
		if end < len(text) {
			end, next = breakAt(text, end)
		}
		pieces = append(pieces, indent+text[:end])
		text = text[next:]
	}
	return pieces
}

// prefix returns the length of the longest beginning of s that fits into w columns,
// and that of the first character where none does.
func prefix(s string, w int) int {
	g := displaywidth.StringGraphemes(s)
	used, end := 0, 0
	for g.Next() {
		used += g.Width()
		if used > w && end > 0 {
			break
		}
		end += len(g.Value())
	}
	return end
}

// breakAt returns where a piece of s ends that may have at most most bytes, and
// where the next begins.
func breakAt(s string, most int) (end, next int) {
	if i := strings.LastIndexByte(s[:most+1], ' '); i > 0 {
		end = len(strings.TrimRight(s[:i], " "))
		next = len(s) - len(strings.TrimLeft(s[i:], " "))
		if end > 0 {
			return end, next
		}
	}
	if i := strings.LastIndexByte(s[:most], '-'); i > 0 {
		return i + 1, i + 1
	}
	return most, most
}

// Words breaks a sentence at its blanks into lines of at most w columns, each with
// an indent. A word stays whole, so that an address or a command can be copied.
// Where w is 0, or leaves less than 20 columns, the sentence is one line.
func Words(s string, w int, indent string) string {
	if w <= 0 || w < len(indent)+20 {
		return indent + s
	}
	var out strings.Builder
	used := 0
	for i, word := range strings.Fields(s) {
		n := Width(word)
		switch {
		case i == 0:
			out.WriteString(indent)
			used = len(indent)
		case used+1+n > w:
			out.WriteString("\n" + indent)
			used = len(indent)
		default:
			out.WriteByte(' ')
			used++
		}
		out.WriteString(word)
		used += n
	}
	return out.String()
}
