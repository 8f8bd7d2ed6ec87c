package tui

import "strings"

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

// SGR parameters (ECMA-48, section 8.3.117). Only colours of the first sixteen,
// which people have chosen for their terminal.
func (s style) sgr(color bool) string {
	switch {
	case s == bold:
		return "1"
	case s == reverse:
		return "7"
	case !color:
		return ""
	}
	switch s {
	case dim:
		return "90"
	case good:
		return "32"
	case warn:
		return "33"
	case bad:
		return "31"
	}
	return ""
}

// paint puts a style on text.
func (s style) paint(text string, color bool) string {
	p := s.sgr(color)
	if p == "" || text == "" {
		return text
	}
	return "\x1b[" + p + "m" + text + "\x1b[0m"
}

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
		n := width(s.text)
		if n > w {
			if strings.TrimLeft(s.text, " ") == "" { // nothing is lost
				return append(out, span{spaces(w), s.style})
			}
			if w > 0 {
				out = append(out, span{cut(s.text, w, ascii), s.style})
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
