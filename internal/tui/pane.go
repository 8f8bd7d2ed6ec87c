package tui

import (
	"errors"
	"fmt"
	"strings"

	"lodge/internal/logs"
	"lodge/internal/show"
	"lodge/internal/show/table"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// pane is text that lies over the list: the help, what explain says, or the
// lines of a service.
type pane struct {
	// number names the pane in effects and in their answers.
	number int
	title  string
	text   screen.Pager
	// state says that there is more to come, or why there is not.
	state string
	// request asks for the text again; nil for the help.
	request func() []effect
}

// errStopped ends a request that is no longer wanted.
var errStopped = errors.New("stopped")

// newHelp returns the pane of the keys.
func newHelp(f format) *pane {
	p := &pane{title: "keys"}
	for _, b := range bindings() {
		p.text.Add(screen.Line{screen.Bold.Span(table.Fit(b.keys, 14, false, f.ascii)), screen.Plain.Span(b.does)})
	}
	p.text.Add(nil, screen.Plain.Line("IN/s and OUT/s are bytes a second; of a connection OUT is what its client sends."),
		screen.Plain.Line("* and ALL are all interfaces; ? is a process that may not be seen; (name) one that is gone."),
		screen.Plain.Line("name @other is in the network namespace of the container other."),
		screen.Plain.Line("esc closes what lies over the list."))
	return p
}

// newExplanation returns the pane of what explain says of a subject.
func newExplanation(s view.Subject) *pane {
	p := &pane{title: "explain " + s.Address}
	p.request = func() []effect {
		p.state = "looking ..."
		return []effect{explain{p.number, s.Address}}
	}
	return p
}

// explained shows the answer of explain.
func (p *pane) explained(answer string, err error, f format) {
	p.state = "r: look again"
	p.text.Clear()
	if err != nil {
		p.text.Add(screen.Bad.Line(f.err(err)))
		return
	}
	for l := range strings.SplitSeq(strings.TrimRight(answer, "\n"), "\n") {
		p.text.Add(screen.Plain.Line(show.CleanLine(l, f.ascii)))
	}
}

// The state of a pane of lines that is being filled.
const following = "following"

// newLogs returns the pane of the lines that e asks for.
func newLogs(title string, e follow) *pane {
	p := &pane{title: title}
	p.request = func() []effect {
		if p.state == following {
			return nil
		}
		p.text.Clear()
		p.text.Follow = true
		p.state = following
		e.pane = p.number
		return []effect{e}
	}
	return p
}

// logged adds lines of the service; skipped ones were lost before them, since they
// came faster than they could be shown.
func (p *pane) logged(ls []logs.Line, skipped int, f format) {
	p.text.Drop(skipped)
	out := make([]screen.Line, 0, len(ls))
	for _, l := range ls {
		out = append(out, screen.Line{screen.Dim.Span(f.clock(l.Time) + " "), screen.Plain.Span(show.CleanLine(l.Text, f.ascii))})
	}
	p.text.Add(out...)
}

// unfollowed is called when no more lines will come.
func (p *pane) unfollowed(err error, f format) {
	p.state = "ended, r: read again"
	if err != nil && !errors.Is(err, errStopped) {
		p.state = "ended: " + f.err(err)
	}
}

// titleLine returns the line above the text.
func (p *pane) titleLine() screen.Line {
	l := screen.Bold.Line(p.title)
	if p.state != "" {
		l = append(l, screen.Dim.Span("  "+p.state))
	}
	if n := p.text.Dropped(); n > 0 {
		l = append(l, screen.Dim.Span("  "+show.Count(n, "older line", "older lines")+" left out"))
	}
	if first, last, total := p.text.Position(); first > 1 || last < total {
		l = append(l, screen.Dim.Span(fmt.Sprintf("  lines %d to %d of %d", first, last, total)))
	}
	return l
}

// panes is the place for one pane over the list.
type panes struct {
	open *pane // nil for none
	// opened counts the panes that there were.
	opened        int
	width, height int // of the text
}

// show opens a pane, and asks for its text.
func (ps *panes) show(p *pane) []effect {
	ps.opened++
	p.number = ps.opened
	p.text.Resize(ps.width, ps.height)
	ps.open = p
	if p.request == nil {
		return nil
	}
	return p.request()
}

// close closes the pane; its request ends.
func (ps *panes) close() []effect {
	if ps.open == nil {
		return nil
	}
	n := ps.open.number
	ps.open = nil
	return []effect{leave{n}}
}

// find returns the pane of a number; nil if it is closed.
func (ps *panes) find(number int) *pane {
	if ps.open == nil || ps.open.number != number {
		return nil
	}
	return ps.open
}

// resize sets the size of the text, in cells.
func (ps *panes) resize(width, height int) {
	ps.width, ps.height = width, max(height, 1)
	if ps.open != nil {
		ps.open.text.Resize(ps.width, ps.height)
	}
}

// key takes a key for the open pane.
func (ps *panes) key(k string) []effect {
	p := ps.open
	switch k {
	case "esc", "q", "backspace":
		return ps.close()
	case "?":
		if p.request == nil { // the help itself
			return ps.close()
		}
	case "r":
		if p.request != nil {
			return p.request()
		}
	default:
		p.text.Key(k)
	}
	return nil
}
