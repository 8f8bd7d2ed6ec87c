package tui

import (
	"errors"

	"lodge/internal/logs"
	"lodge/internal/show"
)

// errStopped ends what nobody waits for any more.
var errStopped = errors.New("stopped")

// openLogs follows the service of the selected: of a listener or a connection
// the one that it belongs to.
func (u *ui) openLogs() []effect {
	s, ok := u.selected()
	if !ok {
		return nil
	}
	if s.lodge.Project == "" {
		u.say(warn, "it is no service of lodge's: only they have logs here")
		return nil
	}
	if u.frame == nil {
		return nil
	}
	for _, p := range u.frame.Projects {
		if p.Name != s.lodge.Project || s.service != nil && p.ID != s.service.Project.ID {
			continue
		}
		title := "logs of " + s.lodge.lodge()
		pn := u.open(&pane{title: show.Clean(title, u.opt.ASCII), state: "following", tail: true})
		f := follow{pn.number, p, s.lodge.Service}
		pn.retry = func(u *ui) []effect {
			if u.pane.state == "following" {
				return nil
			}
			u.pane.lines, u.pane.forW, u.pane.dropped = nil, 0, 0
			u.pane.state, u.pane.tail = "following", true
			return []effect{f}
		}
		return []effect{f}
	}
	u.say(warn, "project "+show.Clean(s.lodge.Project, u.opt.ASCII)+" is not up any more")
	return nil
}

// Logged gives the pane lines of its service; skipped ones came faster than
// they could be shown.
func (u *ui) Logged(number int, ls []logs.Line, skipped int) {
	if u.pane == nil || u.pane.number != number {
		return
	}
	u.pane.dropped += skipped
	out := make([]line, 0, len(ls))
	for _, l := range ls {
		out = append(out, line{{u.clock(l.Time) + " ", dim}, {show.CleanLine(l.Text, u.opt.ASCII), plain}})
	}
	u.pane.add(out...)
}

// Unfollowed is told that no more lines will come.
func (u *ui) Unfollowed(number int, err error) {
	if u.pane == nil || u.pane.number != number {
		return
	}
	u.pane.state = "ended, r: read again"
	if err != nil && !errors.Is(err, errStopped) {
		u.pane.state = "ended: " + show.Clean(show.OneLine(err.Error()), u.opt.ASCII)
	}
}
