package screen

import "lodge/internal/show/table"

// pagerMost bounds the lines that a Pager keeps.
const pagerMost = 5000

// Pager shows text that may be higher than its part of the screen: it wraps the
// lines to the width, and scrolls. The zero value is empty.
type Pager struct {
	// Follow keeps the end in view. Scrolling away from the end clears it, and
	// scrolling to the end sets it.
	Follow bool

	width, height int
	// lines are as they were added; wrapped are the same, wrapped to wrappedTo
	// cells. wrappedTo is zero if they are to be wrapped again.
	lines, wrapped []Line
	wrappedTo      int
	top            int // index in wrapped of the first line in view
	dropped        int
}

// Resize sets the size of the pager's part of the screen, in cells.
func (p *Pager) Resize(width, height int) {
	p.width, p.height = width, height
	p.wrappedTo = 0
}

// Clear removes all lines.
func (p *Pager) Clear() { p.lines, p.wrappedTo, p.dropped = nil, 0, 0 }

// Add appends lines. The oldest are dropped, and counted, if there are too many.
func (p *Pager) Add(ls ...Line) {
	p.lines = append(p.lines, ls...)
	if n := len(p.lines) - pagerMost; n > 0 {
		p.lines = append([]Line(nil), p.lines[n:]...)
		p.dropped += n
		p.wrappedTo = 0
		return
	}
	if p.wrappedTo > 0 {
		for _, l := range ls {
			p.wrapped = append(p.wrapped, wrapLine(l, p.wrappedTo)...)
		}
	}
}

// Drop counts n lines that were lost before they could be added.
func (p *Pager) Drop(n int) { p.dropped += n }

// Dropped returns how many lines are not shown since they are too old.
func (p *Pager) Dropped() int { return p.dropped }

// Key scrolls. It reports whether k is a key that scrolls.
func (p *Pager) Key(k string) bool {
	p.wrap()
	switch k {
	case "up", "k":
		p.scroll(p.top - 1)
	case "down", "j", "enter":
		p.scroll(p.top + 1)
	case "pgup", "ctrl+b":
		p.scroll(p.top - p.height + 1)
	case "pgdown", "ctrl+f", "space":
		p.scroll(p.top + p.height - 1)
	case "home", "g":
		p.scroll(0)
	case "end", "G":
		p.scroll(p.last())
	default:
		return false
	}
	return true
}

func (p *Pager) scroll(to int) {
	p.top = min(max(to, 0), p.last())
	p.Follow = p.top == p.last()
}

// last returns the highest value of top.
func (p *Pager) last() int { return max(len(p.wrapped)-p.height, 0) }

// wrap wraps the lines to the width, and keeps top within them.
func (p *Pager) wrap() {
	if p.wrappedTo != p.width || p.width == 0 {
		p.wrapped = p.wrapped[:0]
		for _, l := range p.lines {
			p.wrapped = append(p.wrapped, wrapLine(l, p.width)...)
		}
		p.wrappedTo = p.width
	}
	if p.Follow {
		p.top = p.last()
	}
	p.top = min(p.top, p.last())
}

// Lines returns the lines in view.
func (p *Pager) Lines() []Line {
	p.wrap()
	return p.wrapped[p.top:min(p.top+p.height, len(p.wrapped))]
}

// Position returns the numbers of the first and the last line in view, counted
// from one after wrapping, and how many lines there are.
func (p *Pager) Position() (first, last, total int) {
	p.wrap()
	return p.top + 1, min(p.top+p.height, len(p.wrapped)), len(p.wrapped)
}

// wrapLine wraps the last span of a line to w cells. The spans before it stand
// on the first line, and the lines after it are indented to the same cell.
func wrapLine(l Line, w int) []Line {
	if len(l) == 0 {
		return []Line{nil}
	}
	head, tail := l[:len(l)-1], l[len(l)-1]
	indent := table.Width(head.String())
	room := w - indent
	if room < 10 && indent > 0 {
		return []Line{l}
	}
	var out []Line
	for i, piece := range table.Wrap(tail.Text, room) {
		first := Line{}
		if i == 0 {
			first = append(first, head...)
		} else if indent > 0 {
			first = append(first, Plain.Span(Spaces(indent)))
		}
		out = append(out, append(first, tail.Style.Span(piece)))
	}
	return out
}
