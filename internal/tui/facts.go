package tui

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/show"
	"lodge/internal/show/table"
	"lodge/internal/sockets"
	"lodge/internal/tui/screen"
	"lodge/internal/tui/view"
)

// facts are the last reading, and the rates since the one before.
type facts struct {
	meter view.Meter
	rates view.Rates
	// frame is what was read last, nil before the first reading.
	frame *Frame
	// failure is why the last reading failed, "" if it did not.
	failure string
}

// take replaces the reading.
func (f *facts) take(frame *Frame) {
	f.failure = ""
	f.rates = f.meter.Read(frame.Time, frame.Rows)
	f.frame = frame
}

// fail notes why a reading failed. The reading before it stays.
func (f *facts) fail(err error) {
	if !errors.Is(err, errStopped) {
		f.failure = show.OneLine(err.Error())
	}
}

// now returns the time of the reading; zero before the first.
func (f *facts) now() time.Time {
	if f.frame == nil {
		return time.Time{}
	}
	return f.frame.Time
}

// digest returns the lists of the reading, filtered; nil before the first.
func (f *facts) digest(match Match) *view.Digest {
	if f.frame == nil {
		return nil
	}
	return view.NewDigest(f.frame, f.rates, match)
}

// project returns the project that a subject belongs to, and false if it is not up any more.
func (f *facts) project(s view.Subject) (localapi.Project, bool) {
	if f.frame == nil {
		return localapi.Project{}, false
	}
	i := slices.IndexFunc(f.frame.Projects, func(p localapi.Project) bool {
		return p.Name == s.Lodge.Project && (s.Project == nil || p.ID == s.Project.ID)
	})
	if i < 0 {
		return localapi.Project{}, false
	}
	return f.frame.Projects[i], true
}

// isKeeper reports whether the daemon named the process as a keeper.
func (f *facts) isKeeper(p *sockets.Process) bool {
	return f.frame != nil && slices.ContainsFunc(f.frame.Projects, func(q localapi.Project) bool { return q.KeeperPID == p.PID })
}

// headLine returns the first line of the screen: the time of the reading and what it counts.
func (f *facts) headLine(c view.Counts, fm format, paused bool, width int) screen.Line {
	if f.frame == nil {
		if f.failure != "" {
			return screen.Line{screen.Bold.Span("lodge top"), screen.Bad.Span("  " + fm.clean(f.failure))}
		}
		return screen.Line{screen.Bold.Span("lodge top"), screen.Plain.Span("  reading ...")}
	}
	l := screen.Line{screen.Bold.Span("lodge top "), screen.Plain.Span(fm.clock(f.frame.Time))}
	switch {
	case paused:
		l = append(l, screen.Warn.Span("  PAUSED"))
	case f.failure != "":
		return append(l, screen.Bad.Span("  "+fm.clean(f.failure)))
	}
	parts := []string{show.Count(c.Projects, "project", "projects"), show.Count(c.Listeners, "listener", "listeners"), show.Count(c.Connections, "connection", "connections")}
	if c.TimeWait > 0 {
		parts = append(parts, strconv.Itoa(c.TimeWait)+" in time_wait")
	}
	// A part that does not fit whole is left out, with those after it.
	room := width - table.Width(l.String())
	for _, p := range parts {
		if room -= table.Width(p) + 2; room < 0 {
			break
		}
		l = append(l, screen.Plain.Span("  "+p))
	}
	return l
}

// warningLine returns the line that counts the processes that may not be seen, and
// names what could not be read; nil if there is nothing of this kind.
func (f *facts) warningLine(fm format, privileged bool) screen.Line {
	if f.frame == nil {
		return nil
	}
	var l screen.Line
	if n := f.frame.UnknownOwners; n > 0 {
		why := "needs root or helper"
		if privileged {
			why = "not in this /proc" // another pid namespace's
		}
		l = append(l, screen.Warn.Span("unknown owners "+strconv.Itoa(n)+": "+why))
	}
	for _, w := range f.frame.Warnings {
		if len(l) > 0 {
			l = append(l, screen.Warn.Span("; "))
		}
		l = append(l, screen.Warn.Span(fm.clean(show.OneLine(w))))
	}
	return l
}
