package tui

import (
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// Lines returns the screen: as many lines as it is high, none wider than it.
func (u *ui) Lines() []screen.Line {
	var out []screen.Line
	switch p := u.panes.open; {
	case u.tooSmall():
		out = fill(u.tooSmallLines(), u.height)
	case p != nil:
		out = append(out, u.headLine(), p.titleLine())
		out = append(fill(append(out, p.text.Lines()...), u.height-1), u.foot.line(u.format, u.width, u.panes.open != nil))
	default:
		out = append(out, u.headLine(), u.tabs.tabLine(u.format.clean(u.filter.text), u.width))
		if l := u.warningLine(); l != nil {
			out = append(out, l)
		}
		out = append(fill(append(out, u.listLines()...), u.height-1), u.foot.line(u.format, u.width, u.panes.open != nil))
	}
	for i := range out {
		out[i] = out[i].Clip(u.width, u.opt.ASCII)
	}
	return out[:min(len(out), max(u.height, 0))]
}

// fill appends empty lines until there are n.
func fill(ls []screen.Line, n int) []screen.Line {
	for len(ls) < n {
		ls = append(ls, nil)
	}
	return ls
}

func (u *ui) headLine() screen.Line {
	return u.facts.headLine(u.tabs.digest.Counts, u.format, u.paused, u.width)
}

func (u *ui) warningLine() screen.Line { return u.facts.warningLine(u.format, u.opt.Privileged) }

// listRows returns how many items of the list fit.
func (u *ui) listRows() int {
	n := u.height - 4 // head, tabs, titles, foot
	if u.warningLine() != nil {
		n--
	}
	return max(n, 1)
}

// listLines returns the lines of the tab that is shown.
func (u *ui) listLines() []screen.Line {
	t := u.tabs.shown()
	if t.list.Len() == 0 {
		return []screen.Line{nil, screen.Plain.Line(screen.Spaces(view.Gap) + u.emptyText(t.list))}
	}
	return t.lines(u.listRows(), u.width, u.format.cells(u.facts.now()))
}

// emptyText returns why a list has no items.
func (u *ui) emptyText(l view.List) string {
	switch {
	case u.facts.frame == nil:
		return "reading ..."
	case u.filter.text != "":
		return "nothing matches the filter " + u.format.clean(u.filter.text) + " (esc takes it away)"
	}
	return l.Empty()
}
