package tui

import (
	"context"
	"time"

	"lodge/internal/localapi"
	"lodge/internal/logs"
	"lodge/internal/sockets"
	"lodge/internal/tui/view"
)

// Source reads the facts, and does what the keys ask for. Its methods are called
// from several goroutines.
type Source interface {
	// Frame reads everything once.
	Frame(ctx context.Context) (*Frame, error)
	// Explain returns in plain text what is at address, such as 127.0.0.1:5432
	// or 53/udp.
	Explain(ctx context.Context, address string) (string, error)
	// Logs calls each with the last lines of a service and with those that
	// follow, until ctx ends or the project does.
	Logs(ctx context.Context, p localapi.Project, service string, each func(logs.Line) error) error
	// End sends the process SIGKILL if hard is set, and SIGTERM otherwise, and
	// waits a little. It reports whether the process has ended. It never sends a
	// signal to another process that has the same id by now.
	End(ctx context.Context, p *sockets.Process, hard bool) (gone bool, err error)
}

// What a Source reads, and what is made of it: see package view.
type (
	Frame  = view.Frame
	Match  = view.Match
	Report = view.Report
)

// ViewNames returns the names of the views as --view takes them, in the order of
// their keys.
func ViewNames() []string { return view.Names() }

// Options are how top looks and what it begins with.
type Options struct {
	// View is projects, listeners, connections or talk; "" is projects if
	// one is up, and listeners otherwise.
	View string
	// Interval is the time between two readings.
	Interval time.Duration
	// Filter is what the lists are filtered by at first; ParseFilter parses it,
	// and what the user types.
	Filter      string
	ParseFilter func(text string) (Match, error)
	// Color allows colours. ASCII allows nothing but ASCII, for a terminal
	// whose locale has no more.
	Color, ASCII bool
	// Zone is that of the times that are shown; nil is the machine's.
	Zone *time.Location
	// Own returns what a process is of lodge itself, such as "keeper", or "". A
	// process of lodge's own is never offered to be ended.
	Own func(*sockets.Process) string
	// Privileged is set if lodge runs as root: the hint that root sees more is
	// left out.
	Privileged bool
}
