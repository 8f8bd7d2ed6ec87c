package tui

import "lodge/internal/show/table"

// pane is text that lies over the list: the help, what explain says, or the
// lines of a service.
type pane struct {
	number int
	title  string
	// lines are clean and as they came; wrapped, for the width of the screen.
	lines   []line
	wrapped []line
	forW    int
	top     int
	// tail keeps the end in view, as long as nobody scrolls away from it.
	tail bool
	// state says that there is more to come, or why there is not.
	state string
	// dropped counts lines that are too old to be kept.
	dropped int
	retry   func(u *ui) []effect
}

// paneLines bounds what a pane keeps.
const paneLines = 5000

func (u *ui) open(p *pane) *pane {
	u.panes++
	p.number = u.panes
	u.pane = p
	return p
}

// closePane takes the pane away; what was asked for it is no longer wanted.
func (u *ui) closePane() []effect {
	n := u.pane.number
	u.pane = nil
	return []effect{leave{n}}
}

func (p *pane) key(u *ui, k string) []effect {
	rows := u.paneRows()
	last := p.last(rows)
	switch k {
	case "esc", "q", "backspace":
		return u.closePane()
	case "?":
		if p.retry == nil && p.state == "" { // the help itself
			return u.closePane()
		}
	case "up", "k":
		p.scroll(p.top-1, last)
	case "down", "j", "enter":
		p.scroll(p.top+1, last)
	case "pgup", "ctrl+b":
		p.scroll(p.top-rows+1, last)
	case "pgdown", "ctrl+f", "space":
		p.scroll(p.top+rows-1, last)
	case "home", "g":
		p.scroll(0, last)
	case "end", "G":
		p.scroll(last, last)
	case "r":
		if p.retry != nil {
			return p.retry(u)
		}
	}
	return nil
}

func (p *pane) scroll(to, last int) {
	p.top = min(max(to, 0), last)
	p.tail = p.top == last
}

// last is the highest line that may be at the top.
func (p *pane) last(rows int) int { return max(len(p.wrapped)-rows, 0) }

func (p *pane) resize() { p.forW = 0 }

// add adds lines, and drops the oldest where there are too many.
func (p *pane) add(ls ...line) {
	p.lines = append(p.lines, ls...)
	if n := len(p.lines) - paneLines; n > 0 {
		p.lines = append([]line(nil), p.lines[n:]...)
		p.dropped += n
		p.forW = 0
		return
	}
	if p.forW > 0 {
		for _, l := range ls {
			p.wrapped = append(p.wrapped, wrapLine(l, p.forW)...)
		}
	}
}

// lay wraps the lines for a screen of this size and gives those to show.
func (p *pane) lay(w, rows int) []line {
	if p.forW != w {
		p.wrapped = p.wrapped[:0]
		for _, l := range p.lines {
			p.wrapped = append(p.wrapped, wrapLine(l, w)...)
		}
		p.forW = w
	}
	last := p.last(rows)
	if p.tail {
		p.top = last
	}
	p.top = min(p.top, last)
	return p.wrapped[p.top:min(p.top+rows, len(p.wrapped))]
}

// wrapLine wraps a line of one style; of several, its first stays whole and
// the last is wrapped beside it.
func wrapLine(l line, w int) []line {
	if len(l) == 0 {
		return []line{nil}
	}
	head, tail := l[:len(l)-1], l[len(l)-1]
	indent := table.Width(head.String())
	room := w - indent
	if room < 10 && indent > 0 {
		return []line{l}
	}
	var out []line
	for i, piece := range table.Wrap(tail.text, room) {
		first := line{}
		if i == 0 {
			first = append(first, head...)
		} else if indent > 0 {
			first = append(first, span{spaces(indent), plain})
		}
		out = append(out, append(first, span{piece, tail.style}))
	}
	return out
}

func (u *ui) openHelp() {
	p := u.open(&pane{title: "keys"})
	for _, b := range bindings() {
		p.add(line{{table.Fit(b.keys, 14, false, u.opt.ASCII), bold}, {b.does, plain}})
	}
	p.add(nil, text("IN/s and OUT/s are bytes a second; of a connection OUT is what its client sends.", plain),
		text("* and ALL are all interfaces; ? is a process that may not be seen; (name) one that is gone.", plain),
		text("name @other is in the network namespace of the container other.", plain),
		text("esc closes what lies over the list.", plain))
}
