package tui

import (
	"fmt"
	"time"

	"lodge/internal/show"
	"lodge/internal/sockets"
	"lodge/internal/tui/view"
)

// format is how text and times are written on this terminal.
type format struct {
	ascii bool
	zone  *time.Location
}

func newFormat(opt Options) format {
	f := format{ascii: opt.ASCII, zone: opt.Zone}
	if f.zone == nil {
		f.zone = time.Local
	}
	return f
}

// clean returns text of one line without control characters.
func (f format) clean(s string) string { return show.Clean(s, f.ascii) }

// err returns an error's text on one line.
func (f format) err(err error) string { return f.clean(show.OneLine(err.Error())) }

// clock returns the time of the day.
func (f format) clock(t time.Time) string { return t.In(f.zone).Format("15:04:05") }

// process returns a process as name[pid].
func (f format) process(p *sockets.Process) string {
	return f.clean(p.Name) + fmt.Sprintf("[%d]", p.PID)
}

// cells returns what the cells of a list need to know.
func (f format) cells(now time.Time) *view.Render { return &view.Render{ASCII: f.ascii, Now: now} }
