package table

import (
	"strings"

	"github.com/clipperhouse/displaywidth"
)

// ellipsis says that text was cut; its width is one column.
const ellipsis = "…"

// Width returns how many columns s takes.
func Width(s string) int { return displaywidth.String(s) }

// WidthBytes is [Width] for bytes.
func WidthBytes(b []byte) int { return displaywidth.Bytes(b) }

// sign is what says that text was cut; ascii, in ASCII.
func sign(ascii bool) string {
	if ascii {
		return "~"
	}
	return ellipsis
}

// Fit returns s in exactly w columns: cut with a sign that it was, or padded on its
// right, or on its left with right for text that is aligned right.
func Fit(s string, w int, right, ascii bool) string {
	if w <= 0 {
		return ""
	}
	n := Width(s)
	if n > w {
		s = Cut(s, w, ascii)
		n = Width(s) // where a wide character was cut there is one column left
	}
	pad := strings.Repeat(" ", max(w-n, 0))
	if right {
		return pad + s
	}
	return s + pad
}

// Cut shortens s to at most w columns, with a sign that it was cut.
func Cut(s string, w int, ascii bool) string {
	if w <= 0 {
		return ""
	}
	return displaywidth.TruncateString(s, w, sign(ascii))
}

// CutFront shortens s to at most w columns from its beginning, with a sign that it
// was cut.
func CutFront(s string, w int, ascii bool) string {
	n := Width(s)
	if n <= w {
		return s
	}
	if w < 1 {
		return ""
	}
	g := displaywidth.StringGraphemes(s)
	for n > w-1 && g.Next() {
		n -= g.Width()
		s = s[len(g.Value()):]
	}
	return sign(ascii) + s
}

// cutBytes shortens b[start:] to at most w columns. It returns how many it takes.
func cutBytes(b []byte, start, w int) ([]byte, int) {
	if w <= 0 {
		return b[:start], 0
	}
	used, end := 0, start
	g := displaywidth.BytesGraphemes(b[start:])
	for g.Next() {
		n := g.Width()
		if used+n > w-1 {
			break
		}
		used += n
		end += len(g.Value())
	}
	return append(b[:end], ellipsis...), used + 1
}
