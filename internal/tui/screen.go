package tui

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"lodge/internal/show"
	"lodge/internal/show/table"
)

// clock shows the time of the day.
func (u *ui) clock(t time.Time) string {
	zone := u.opt.Zone
	if zone == nil {
		zone = time.Local
	}
	return t.In(zone).Format("15:04:05")
}

func spaces(n int) string { return strings.Repeat(" ", max(n, 0)) }

// Lines is the screen: as many lines as it is high, none wider than it.
func (u *ui) Lines() []line {
	var out []line
	switch {
	case u.tooSmall():
		out = u.small()
	case u.pane != nil:
		out = append(out, u.headLine())
		out = append(out, u.paneTitle())
		rows := u.paneRows()
		out = fill(append(out, u.pane.lay(u.width, rows)...), rows+2)
		out = append(out, u.footLine())
	default:
		out = append(out, u.headLine(), u.tabLine())
		if l := u.unknownLine(); l != nil {
			out = append(out, l)
		}
		out = fill(append(out, u.listLines()...), u.height-1)
		out = append(out, u.footLine())
	}
	for i := range out {
		out[i] = out[i].clip(u.width, u.opt.ASCII)
	}
	return out[:min(len(out), max(u.height, 0))]
}

func fill(ls []line, n int) []line {
	for len(ls) < n {
		ls = append(ls, nil)
	}
	return ls
}

func (u *ui) small() []line {
	return fill([]line{text(fmt.Sprintf("too small: %dx%d", u.width, u.height), plain), text(fmt.Sprintf("needs %dx%d", leastWidth, leastHeight), plain)}, u.height)
}

// paneRows is how many lines of a pane fit: head, title and foot stay.
func (u *ui) paneRows() int { return max(u.height-3, 1) }

func (u *ui) paneTitle() line {
	p := u.pane
	l := line{{p.title, bold}}
	if p.state != "" {
		l = append(l, span{"  " + p.state, dim})
	}
	if p.dropped > 0 {
		l = append(l, span{"  " + show.Count(p.dropped, "older line", "older lines") + " left out", dim})
	}
	if n := len(p.wrapped); n > u.paneRows() {
		l = append(l, span{fmt.Sprintf("  lines %d to %d of %d", p.top+1, min(p.top+u.paneRows(), n), n), dim})
	}
	return l
}

// headLine reports when and how much.
func (u *ui) headLine() line {
	if u.frame == nil {
		if u.failure != "" {
			return line{{"lodge top", bold}, {"  " + show.Clean(u.failure, u.opt.ASCII), bad}}
		}
		return line{{"lodge top", bold}, {"  reading ...", plain}}
	}
	c := u.digest.Counts
	l := line{{"lodge top ", bold}, {u.clock(u.frame.Time), plain}}
	switch {
	case u.paused:
		l = append(l, span{"  PAUSED", warn})
	case u.failure != "":
		return append(l, span{"  " + show.Clean(u.failure, u.opt.ASCII), bad})
	}
	parts := []string{show.Count(c.Projects, "project", "projects"), show.Count(c.Listeners, "listener", "listeners"), show.Count(c.Connections, "connection", "connections")}
	if c.TimeWait > 0 {
		parts = append(parts, strconv.Itoa(c.TimeWait)+" in time_wait")
	}
	// What does not fit whole is left out whole.
	room := u.width - table.Width(l.String())
	for _, p := range parts {
		if room -= table.Width(p) + 2; room < 0 {
			break
		}
		l = append(l, span{"  " + p, plain})
	}
	return l
}

// unknownLine says that there are processes that may not be seen, and what
// could not be read.
func (u *ui) unknownLine() line {
	if u.frame == nil {
		return nil
	}
	var l line
	if n := u.frame.UnknownOwners; n > 0 {
		why := "needs root or helper"
		if u.opt.Privileged {
			why = "not in this /proc" // another pid namespace's
		}
		l = append(l, span{"unknown owners " + strconv.Itoa(n) + ": " + why, warn})
	}
	for _, w := range u.frame.Warnings {
		if len(l) > 0 {
			l = append(l, span{"; ", warn})
		}
		l = append(l, span{show.Clean(show.OneLine(w), u.opt.ASCII), warn})
	}
	return l
}

// tabLine names the views and what they are filtered by. Where there is no room
// for all names, that of the view that is shown stays.
func (u *ui) tabLine() line {
	l := u.tabs(true)
	if table.Width(l.String()) > u.width {
		l = u.tabs(false)
	}
	return l
}

func (u *ui) tabs(names bool) line {
	var l line
	for i, n := range ViewNames() {
		switch s := strconv.Itoa(i + 1); {
		case i == u.at:
			l = append(l, span{s + " " + strings.ToUpper(n), bold})
		case names:
			l = append(l, span{s + " " + n, plain})
		default:
			l = append(l, span{s, plain})
		}
		l = append(l, span{"  ", plain})
	}
	if u.filter.text != "" {
		return append(l, span{"filter: " + show.Clean(u.filter.text, u.opt.ASCII), warn})
	}
	return l[:len(l)-1]
}

// footLine is a question, a note or the keys.
func (u *ui) footLine() line {
	switch {
	case u.prompt != nil:
		return u.prompt.show(u)
	case u.note != nil:
		return u.note
	case u.pane != nil:
		return u.hint("esc back", "arrows scroll", "end newest", "q back")
	}
	return u.hint("? help", "q quit", "e explain", "/ filter", "s sort", "r reverse", "K end", "f logs", "p pause", "tab view")
}

// hint shows the keys that fit.
func (u *ui) hint(keys ...string) line {
	var l line
	room := u.width
	for _, k := range keys {
		if room -= table.Width(k) + 2; room < -2 {
			break
		}
		name, does, _ := strings.Cut(k, " ")
		l = append(l, span{name, bold}, span{" " + does + "  ", plain})
	}
	return l
}
