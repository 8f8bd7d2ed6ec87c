package screen

import (
	"strings"

	"lodge/internal/show"
	"lodge/internal/show/table"
)

// Style is how a piece of text looks. Nothing is told by colour alone.
type Style uint8

const (
	Plain Style = iota
	Bold
	Dim
	Reverse // the selected line
	Good
	Warn
	Bad
)

// sgr returns the SGR sequence of the style. Without colour, only bold and the
// selected line have one.
func (s Style) sgr(color bool) show.SGR {
	switch {
	case s == Bold:
		return show.Bold
	case s == Reverse:
		return show.Reverse
	case !color:
		return ""
	}
	switch s {
	case Dim:
		return show.Gray
	case Good:
		return show.Green
	case Warn:
		return show.Yellow
	case Bad:
		return show.Red
	}
	return ""
}

// paint returns text with the escape sequences of the style around it.
func (s Style) paint(text string, color bool) string { return show.Paint(s.sgr(color), text) }

// Span returns text of this style.
func (s Style) Span(text string) Span { return Span{Text: text, Style: s} }

// Line returns a line of one span.
func (s Style) Line(text string) Line { return Line{s.Span(text)} }

// Span is text of one style.
type Span struct {
	Text  string
	Style Style
}

// Line is one line of the screen.
type Line []Span

// Spaces returns n spaces; none if n is negative.
func Spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// String returns the line without its styles.
func (l Line) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.Text)
	}
	return b.String()
}

// Clip returns the line cut to w cells, with an ellipsis of ASCII or Unicode.
func (l Line) Clip(w int, ascii bool) Line {
	var out Line
	for _, s := range l {
		n := table.Width(s.Text)
		if n > w {
			if strings.TrimLeft(s.Text, " ") == "" { // nothing is lost
				return append(out, s.Style.Span(Spaces(w)))
			}
			if w > 0 {
				out = append(out, s.Style.Span(table.Cut(s.Text, w, ascii)))
			}
			return out
		}
		out = append(out, s)
		w -= n
	}
	return out
}

// Paint returns the line with the escape sequences of its styles.
func (l Line) Paint(color bool) string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.Style.paint(s.Text, color))
	}
	return b.String()
}
