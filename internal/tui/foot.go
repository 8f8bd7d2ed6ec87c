package tui

import (
	"strings"

	"lodge/internal/show/table"
	"lodge/internal/tui/screen"
)

// foot is the last line of the screen: a question, a note, or the keys.
type foot struct {
	prompt prompt // nil for none
	// note is shown until the next key.
	note screen.Line
}

// say shows a note until the next key.
func (f *foot) say(st screen.Style, s string) { f.note = st.Line(s) }

// line returns the prompt, the note or the keys.
func (f *foot) line(fm format, width int, pane bool) screen.Line {
	switch {
	case f.prompt != nil:
		return f.prompt.line(fm)
	case f.note != nil:
		return f.note
	case pane:
		return hints(width, "esc back", "arrows scroll", "end newest", "q back")
	}
	return hints(width, "? help", "q quit", "e explain", "/ filter", "s sort", "r reverse", "K end", "f logs", "p pause", "tab view")
}

// hints returns the line of the keys that fit, each a key and what it does.
func hints(width int, keys ...string) screen.Line {
	var l screen.Line
	room := width
	for _, k := range keys {
		if room -= table.Width(k) + 2; room < -2 {
			break
		}
		name, does, _ := strings.Cut(k, " ")
		l = append(l, screen.Bold.Span(name), screen.Plain.Span(" "+does+"  "))
	}
	return l
}
