package tui

import (
	"strings"

	"lodge/internal/show"
)

// openExplain asks what the selected is.
func (u *ui) openExplain() []effect {
	s, ok := u.selected()
	if !ok {
		return nil
	}
	p := u.open(&pane{title: "explain " + s.address, state: "looking ..."})
	e := explain{p.number, s.address}
	p.retry = func(u *ui) []effect {
		u.pane.state = "looking ..."
		return []effect{e}
	}
	return []effect{e}
}

// Explained is told the answer for a pane, which may be gone by now.
func (u *ui) Explained(number int, answer string, err error) {
	if u.pane == nil || u.pane.number != number {
		return
	}
	p := u.pane
	p.state = "r: look again"
	p.lines, p.forW = nil, 0
	if err != nil {
		p.add(text(show.Clean(show.OneLine(err.Error()), u.opt.ASCII), bad))
		return
	}
	for l := range strings.SplitSeq(strings.TrimRight(answer, "\n"), "\n") {
		p.add(text(show.CleanLine(l, u.opt.ASCII), plain))
	}
}
