package tui

import (
	"strings"

	"lodge/internal/show"
	"lodge/internal/show/table"
)

// style is how a piece of text looks. Nothing is told by colour alone.
type style uint8

const (
	plain style = iota
	bold
	dim
	reverse // the selected line
	good
	warn
	bad
)

// sgr returns the rendition. Without colour, only bold and the selected line have
// one.
func (s style) sgr(color bool) show.SGR {
	switch {
	case s == bold:
		return show.Bold
	case s == reverse:
		return show.Reverse
	case !color:
		return ""
	}
	switch s {
	case dim:
		return show.Gray
	case good:
		return show.Green
	case warn:
		return show.Yellow
	case bad:
		return show.Red
	}
	return ""
}

// paint puts a style on text.
func (s style) paint(text string, color bool) string { return show.Paint(s.sgr(color), text) }

// span is text of one style.
type span struct {
	text  string
	style style
}

// line is one line of the screen.
type line []span

func text(s string, st style) line { return line{{s, st}} }

// String returns the line without its styles.
func (l line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.text)
	}
	return b.String()
}

// clip cuts the line to w cells.
func (l line) clip(w int, ascii bool) line {
	var out line
	for _, s := range l {
		n := table.Width(s.text)
		if n > w {
			if strings.TrimLeft(s.text, " ") == "" { // nothing is lost
				return append(out, span{spaces(w), s.style})
			}
			if w > 0 {
				out = append(out, span{table.Cut(s.text, w, ascii), s.style})
			}
			return out
		}
		out = append(out, s)
		w -= n
	}
	return out
}

// paint returns the line as a terminal takes it.
func (l line) paint(color bool) string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.style.paint(s.text, color))
	}
	return b.String()
}
